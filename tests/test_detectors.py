"""The detectors against their oracles, on curves with faults, and on what is no fault."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from typing import Any

import duckdb
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle_lake import DETECTORS, MARTS, comparable, files, rows, table
from strategies import examples

from pipeline import synth, views

START = 1_700_000_000


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The detectors over events that a test gives."""
    with duckdb.connect() as con:
        views.create(con, files(tmp_path_factory.mktemp("lake")), only=[*DETECTORS, "verdicts"])
        con.register("given_events", table([]))
        con.execute("create or replace view lake_events as from given_events")
        yield con


def metrics_event(job: str, step: int, time: int, **metrics: float) -> oracle.Event:
    """An event of a step."""
    raw = {
        "id": f"ftevent-{job}{step}",
        "created_at": START + time,
        "level": "info",
        "message": f"Step {step}",
        "type": "metrics",
        "data": {"step": step, "total_steps": 500} | metrics,
    }
    return oracle.event(raw, f"ftjob-{job}", step)


FACTORS = st.floats(0.7, 1.3)
FAULTS = st.sampled_from([1.0] * 30 + [2.5, 6.0, 40.0, 1e-5, math.nan, math.inf])


@st.composite
def curves(draw: st.DrawFn) -> list[oracle.Event]:
    """A few jobs whose losses fall with noise, leap, rise for good, or are no numbers.

    Some give rewards, beside their losses or in their place, which go the other way.
    """
    events = []
    for job in draw(st.sampled_from(["a", "ab"])):
        start, length = draw(st.floats(0.01, 5)), draw(st.integers(8, 70))
        turn, growth = draw(st.integers(5, 90)), draw(st.sampled_from([0.0, 0.05, 0.4]))
        noise = draw(st.lists(FACTORS, min_size=length, max_size=length))
        faults = draw(st.lists(FAULTS, min_size=length, max_size=length))
        gap, time, every = draw(st.integers(0, 30)), 0, draw(st.sampled_from([1, 2, 7]))
        gives = draw(st.sampled_from(["losses", "rewards", "both"]))
        for step in range(1, length + 1):
            time += gap if draw(st.integers(0, 20)) else 100 * gap
            usual = start / (1 + step / 10) * (1 + growth * max(0, step - turn))
            loss = usual * noise[step - 1] * faults[step - 1]
            numbers = {} if gives == "rewards" else {"train_loss": loss}
            if gives != "losses":
                numbers["train_mean_reward"] = 1 - loss
            if step % every == 0:
                numbers["valid_loss"] = usual * noise[-step]
            if step % (2 * every) == 0:
                numbers["full_valid_loss"] = usual * 1.1
            events.append(metrics_event(job, step, time, **numbers))
    return events


@examples(4)
@given(events=curves())
def test_detectors_equal_the_oracle(
    con: duckdb.DuckDBPyConnection, events: list[oracle.Event]
) -> None:
    """Whatever the curves are, detectors and verdicts are exactly what plain Python computes."""
    con.register("given_events", table(events))
    for view, detector in {**DETECTORS, "verdicts": MARTS["verdicts"]}.items():
        found, wanted = comparable(rows(con, f"from {view}"), detector(events))
        assert found == wanted, view


def alarms(con: duckdb.DuckDBPyConnection, events: list[oracle.Event]) -> set[tuple[str, str]]:
    """View and job of every alarm. Planning takes most of the time: ask for many jobs at once."""
    con.register("given_events", table(events))
    found: set[tuple[str, str]] = set()
    for view in DETECTORS:
        where = "where is_overfit" if view == "overfitting" else ""
        asked = rows(con, f"select job_id from {view} {where}")
        found |= {(view, row["job_id"].removeprefix("ftjob-")) for row in asked}
    return found


def losing(job: str, losses: Iterable[float], metric: str = "train_loss") -> list[oracle.Event]:
    """A job with these training losses, or other numbers, one a step and second."""
    return [metrics_event(job, n, n, **{metric: y}) for n, y in enumerate(losses, start=1)]


def diverging(con: duckdb.DuckDBPyConnection, events: list[oracle.Event]) -> set[str]:
    """The jobs that diverge."""
    return {job for view, job in alarms(con, events) if view == "divergences"}


def test_clean_jobs_raise_no_alarm(con: duckdb.DuckDBPyConnection) -> None:
    """Two hundred whole jobs, half of them losses learnt by heart and restarts, raise none."""
    events, overfit = [], set()
    for job in synth.jobs(20, 200, outcome="succeeded"):
        if job.overfit_step is not None:
            overfit.add(("overfitting", job.job_id.removeprefix("ftjob-")))
        events += [oracle.event(raw, job.job_id, n) for n, raw in enumerate(job.events)]
    assert alarms(con, events) - overfit == set()


def curve(job: str = "x", *, count: int = 120, **changes: Any) -> list[oracle.Event]:
    """A job whose loss falls from 3 to 1, with the given losses or seconds at some steps."""
    losses = {step: 1 + 2 / (1 + step / 15) + 0.1 * math.sin(9 * step) for step in range(count)}
    times = {step: 2 * step + step % 3 for step in range(count)}
    losses |= changes.get("losses", {})
    late = changes.get("late", {})
    return [
        metrics_event(
            job,
            step + 1,
            times[step] + sum(wait for at, wait in late.items() if step >= at),
            train_loss=losses[step],
            valid_loss=losses[step] * changes.get("valid", lambda _: 1.0)(step),
        )
        for step in range(count)
    ]


def test_planted_faults_are_found(con: duckdb.DuckDBPyConnection) -> None:
    """A leap, a loss that stays high, NaN, a rising validation loss and a pause are each found."""
    high = dict.fromkeys(range(80, 120), 3.5)
    told = [
        *curve("calm"),
        *curve("leap", losses={60: 4.0, 61: 2.9}),
        *curve("high", losses=high),
        *curve("newest first", losses=high)[::-1],
        *curve("nan", losses={7: math.nan}),
        *curve("rising", valid=lambda step: 1 + max(0, step - 60) / 60),
    ]
    found = alarms(con, told)
    assert {"high", "newest first", "nan"} == {job for view, job in found if view == "divergences"}
    others = {alarm for alarm in found if alarm[1] in ("calm", "leap", "rising")}
    assert others == {("loss_spikes", "leap"), ("overfitting", "rising")}
    assert alarms(con, curve(late={50: 4000})) == {("stalls", "x")}


def test_a_reward_that_falls_and_stays_is_a_divergence(con: duckdb.DuckDBPyConnection) -> None:
    """Half of the best lost for 15 points, whatever the sign; not less, nor for a moment."""
    rise = [0.2 + n / 50 + 0.02 * (-1) ** n for n in range(30)]
    fallen = {
        "low": [*rise, *[0.1] * 40],
        "long": [*rise, *[0.25] * 50],
        "negative": [*(y - 1 for y in rise), *[-2.0] * 40],
    }
    calm = {
        "near": [*rise, *[0.6] * 40],  # the smoothed best is 0.67
        "short": [*rise, *[0.0] * 8, *rise[20:], *rise[20:]],
        "zero": [0.0] * 60,
        "noise": [(0.03 if n < 30 else -0.03) + 0.05 * (-1) ** n for n in range(70)],
        "signs": [0.02 * (-1) ** n for n in range(60)],
    }
    told = []
    for job, rewards in (fallen | calm).items():
        told += losing(job, rewards, "train_mean_reward")
        told += losing(f"{job} newest first", rewards, "train_mean_reward")[::-1]
    one = losing("one loss hides no rewards", fallen["negative"], "train_mean_reward")
    one[3].metrics["train_loss"] = 0.5
    assert alarms(con, told + one) == {
        ("divergences", job)
        for job in (
            *fallen,
            *(f"{job} newest first" for job in fallen),
            "one loss hides no rewards",
        )
    }
    (found,) = rows(con, "from divergences where job_id = 'ftjob-one loss hides no rewards'")
    assert (found["kind"], found["metric"]) == ("falling", "train_mean_reward")
    assert found["worst"] < found["threshold"] < -0.2, "as rewards are, not turned about"
    asked = "from verdicts where rule = 'divergence' and job_id = 'ftjob-{}'"
    (verdict,) = rows(con, asked.format("one loss hides no rewards"))
    assert verdict["verdict"] == "tripped"
    assert verdict["evidence"].startswith("smoothed mean training reward fell below -0.")
    (verdict,) = rows(con, asked.format("signs"))
    assert (verdict["verdict"], verdict["evidence"]) == ("ok", "nothing in 60 training rewards")


def test_twice_the_least_is_not_above_it(con: duckdb.DuckDBPyConnection) -> None:
    """Losses of exactly the threshold do not diverge, whichever way their average is rounded."""
    told, above = [], {f"above {least}" for least in (1.0, 0.5, 2.5)}
    for least in (1.0, 0.5, 2.5):
        before = [least] * 21 + [5 * least] * 6
        told += losing(f"at {least}", before + [2 * least] * 30)
        told += losing(f"above {least}", before + [2.001 * least] * 30)
    assert diverging(con, told) == above


def test_a_rise_needs_its_length(con: duckdb.DuckDBPyConnection) -> None:
    """A long run of high points is a divergence, or most of the last seven; fewer are none."""
    wanted = {(10, 20): False, (30, 20): True, (8, 6): False, (8, 7): True, (3, 0): False,
              (4, 0): True}  # fmt: skip
    told = []
    for high, after in wanted:
        told += losing(f"{high}, {after}", [1.0] * 40 + [12.0] * high + [1.0] * after)
    assert diverging(con, told) == {f"{h}, {a}" for (h, a), diverges in wanted.items() if diverges}


def test_a_short_curve_diverges(con: duckdb.DuckDBPyConnection) -> None:
    """From five calm points on a blow-up is seen, in curves of twelve points or more."""
    wanted = {(2, 60): False, (7, 60): True, (15, 6): True, (7, 4): False, (8, 4): True}
    told = []
    for calm, high in wanted:
        told += losing(f"{calm}, {high}", ([1.5, 1.4, 1.5, 1.45, 1.5] * 3)[:calm] + [9.0] * high)
    assert diverging(con, told) == {f"{c}, {h}" for (c, h), diverges in wanted.items() if diverges}


def test_an_early_spike(con: duckdb.DuckDBPyConnection) -> None:
    """A leap among the first points is seen where six points came before; a high start is none."""
    losses = [2 + 8 / n + 0.05 * (n % 3) for n in range(1, 31)]
    told = losing("none", losses)
    for place in (4, 7, 15, 20):
        told += losing(f"{place}", [y + 15 * (n == place) for n, y in enumerate(losses, start=1)])
    found = {job for view, job in alarms(con, told) if view == "loss_spikes"}
    assert found == {"7", "15", "20"}


def test_epochs_hide_no_spike(con: duckdb.DuckDBPyConnection) -> None:
    """A loss that falls at the end of each epoch is no noisier for that."""
    draws, told = random.Random(2), []
    for job in range(20):
        losses = [2 * 0.6 ** (n // 20) * math.exp(draws.gauss(0, 0.05)) for n in range(60)]
        told += losing(f"calm{job}", losses)
        losses[draws.randrange(8, 58)] += 2
        told += losing(f"leap{job}", losses)
    found = {job for view, job in alarms(con, told) if view == "loss_spikes"}
    assert found == {f"leap{job}" for job in range(20)}


def test_lows_beside_a_leap_tell_of_noise(con: duckdb.DuckDBPyConnection) -> None:
    """Where one batch in ten is lost to easy examples, another to hard ones, neither is a fault."""
    usual = [1 + 0.1 * math.sin(2 * n) for n in range(30)]
    losses = [y * {9: 0.05, 14: 0.1, 24: 0.02}.get(n, 1) for n, y in enumerate(usual)]
    leap = {12: 2.6}
    told = losing("noise", [leap.get(n, y) for n, y in enumerate(losses)])
    told += losing("leap", [leap.get(n, y) for n, y in enumerate(usual)])
    assert alarms(con, told) == {("loss_spikes", "leap")}


def test_waves_are_no_spikes(con: duckdb.DuckDBPyConnection) -> None:
    """Losses that rise and fall by little from point to point, but far in the end, leap nowhere."""
    told = []
    for length in (20, 30, 45, 60):
        waves = [1 + 0.5 * math.sin(2 * math.pi * n / length) for n in range(200)]
        told += losing(f"{length}", [y * (1 + math.exp(-n / 10)) for n, y in enumerate(waves)])
    assert ("loss_spikes",) not in {alarm[:1] for alarm in alarms(con, told)}


def test_a_low_beginning_makes_no_spike(con: duckdb.DuckDBPyConnection) -> None:
    """Where a few points are low at first, the usual ones after them are none."""
    losses = [0.5] * 7 + [3 + 0.01 * (n % 5) for n in range(40)]
    assert ("loss_spikes", "x") not in alarms(con, losing("x", losses))


def test_ten_evaluations_overfit(con: duckdb.DuckDBPyConnection) -> None:
    """A plain rise after the best is one in a short curve, too: a trend is no noise."""
    told = losing("ten", [1.3, 1.1, 1, 0.95, 1, 1.1, 1.2, 1.35, 1.5, 1.65], "valid_loss")
    told += losing("seven", [1, 0.9, 0.95, 1.1, 1.3, 1.5, 1.7], "valid_loss")
    assert {("overfitting", "ten"), ("overfitting", "seven")} <= alarms(con, told)


def test_a_fall_that_turns_is_no_noise(con: duckdb.DuckDBPyConnection) -> None:
    """A loss that falls quickly and rises again bends, but is as smooth as one that only rises."""
    told = losing("ten", [3, 1.4, 1, 1.05, 1.12, 1.2, 1.3, 1.4, 1.55, 1.7], "valid_loss")
    told += losing("six", [2, 1.1, 1, 1.3, 1.6, 1.9], "valid_loss")
    told += losing("noise", [1.4, 1.2, 1.1, 0.9, 1.8, 2.0, 1.1], "valid_loss")
    assert alarms(con, told) == {("overfitting", "ten"), ("overfitting", "six")}


def test_noise_is_no_rise(con: duckdb.DuckDBPyConnection) -> None:
    """What batches of one do by chance is none, though it doubles an average that was low."""
    told = []
    for seed in (87, 126):  # these do, of 150
        draws = random.Random(seed)
        losses = [(0.5 + 2 / (1 + n / 15)) * math.exp(draws.gauss(0, 1)) for n in range(1, 401)]
        told += losing(f"{seed}", losses)
    assert not diverging(con, told)


def test_what_rises_in_each_epoch_is_no_divergence(con: duckdb.DuckDBPyConnection) -> None:
    """Hard examples at the end of the data: the last peak may be the highest by its noise."""
    draws, told = random.Random(3), []
    for job in range(40):
        saw = [(0.5 + 0.8 * (n % 100) / 100) * (1 + math.exp(-n / 30)) for n in range(1, 301)]
        told += losing(f"saw{job}", [loss * math.exp(draws.gauss(0, 0.2)) for loss in saw])
    assert not diverging(con, told)


def test_a_long_curve_is_judged_as_a_short_one(con: duckdb.DuckDBPyConnection) -> None:
    """A curve too long to be walked along with others diverges where it does."""
    losses = [1 + 0.1 * math.sin(n) for n in range(5_000)] + [3.0] * 40
    con.register("given_events", table(losing("x", losses)))
    (found,) = rows(con, "from divergences")
    assert (found["kind"], found["last_step"]) == ("rising", 5_040)
    assert found["first_step"] in range(5_005, 5_015)


def test_tiny_losses_raise_no_alarm(con: duckdb.DuckDBPyConnection) -> None:
    """Losses learnt by heart, far below what matters, may leap by any ratio and rise tenfold."""
    tiny = {step: 2.0**-20 * (3 + step * 7 % 6) for step in range(40, 120)}
    leaps = tiny | {70: 0.4, 95: 0.9}
    events = curve(losses=leaps, valid=lambda step: 1.0 if step < 40 else 1.0 + step)
    assert alarms(con, events) == set()


def test_single_answers_of_any_height_are_no_spikes(con: duckdb.DuckDBPyConnection) -> None:
    """What a classifier gets wrong costs what it costs: each leap far beyond it is a spike."""
    long = {200: 40.0} | dict.fromkeys(range(201, 206), 24.0)
    planted: dict[str, dict[int, float]] = {"calm": {}, "two": {120: 30, 200: 24}, "long": long}
    draws, told = random.Random(11), []
    for job in range(20):
        losses = [0.4 * math.exp(-n / 20) for n in range(20)]
        for _ in range(280):
            wrong, right = draws.expovariate(1.25), 10 ** -draws.uniform(2, 5)
            losses.append(wrong if draws.random() < 0.1 else right)
        for name, high in planted.items():
            leapt = [loss + high.get(n, 0) for n, loss in enumerate(losses, start=1)]
            told += losing(f"{name}{job}", leapt)
    con.register("given_events", table(told))
    found = rows(con, "select job_id, peak_step, peak_loss from loss_spikes")
    assert len({row["job_id"] for row in found if "calm" in row["job_id"]}) <= 1
    assert {(row["job_id"], row["peak_step"]) for row in found if row["peak_loss"] > 20} == {
        (f"ftjob-{name}{job}", step)
        for job in range(20)
        for name, step in (("two", 120), ("two", 200), ("long", 200))
    }


@pytest.mark.parametrize(("scale", "leap"), [(0.7, 11), (0.07, 0.5)])
def test_many_spikes_hide_none_of_them(
    con: duckdb.DuckDBPyConnection, scale: float, leap: float
) -> None:
    """Five leaps of a loss that is not near zero are no answers of one who is sure of the rest,
    nor are low ones of a loss that is."""
    losses = [scale * (1 + 2 / (1 + n / 10) + 0.07 * math.sin(n)) for n in range(300)]
    places = (60, 110, 170, 220, 270)
    for place in places:
        losses[place] += leap * (1 + place / 1_000)
    told = [metrics_event("x", n, n, train_loss=loss) for n, loss in enumerate(losses)]
    con.register("given_events", table(told))
    found = rows(con, "select peak_step from loss_spikes order by peak_step")
    assert [row["peak_step"] for row in found] == list(places)


def test_the_highest_of_many_points_is_no_spike(con: duckdb.DuckDBPyConnection) -> None:
    """Long jobs reach by chance what short ones do not; a leap far beyond is one there, too."""
    draws, told = random.Random(5), []
    for job in range(4):
        losses = [(1 + 1 / (1 + n / 50)) * math.exp(draws.gauss(0, 0.4)) for n in range(2_000)]
        losses[1_500] += 12 * (job % 2)
        told += [metrics_event(f"noisy{job}", n, n, train_loss=y) for n, y in enumerate(losses)]
        losses = [0.4 * math.exp(-n / 20) + 10 ** -draws.uniform(3, 5) for n in range(6_000)]
        for n in draws.sample(range(200, 6_000), 30):  # half a percent of the answers is wrong
            losses[n] += 0.5 + draws.expovariate(0.8)
        losses[4_000] += 30 * (job % 2)
        told += [metrics_event(f"sure{job}", n, n, train_loss=y) for n, y in enumerate(losses)]
    con.register("given_events", table(told))
    found, wanted = comparable(rows(con, "from loss_spikes"), DETECTORS["loss_spikes"](told))
    assert found == wanted
    assert {(row["job_id"], row["peak_step"]) for row in rows(con, "from loss_spikes")} == {
        (f"ftjob-{name}{job}", step)
        for name, step in (("noisy", 1_500), ("sure", 4_000))
        for job in (1, 3)
    }


def test_losses_told_as_zero_raise_no_alarm(con: duckdb.DuckDBPyConnection) -> None:
    """Where messages round all losses to 0.00, a last digit now and then is neither."""
    digits = [0.0] * 40 + [0.01, 0.02] * 20
    told = losing("one digit", [0.0] * 40 + [0.01] + [0.0] * 40) + losing("digits", digits)
    told += losing("leap", [*digits[:60], 0.5, *digits[61:]])
    told += losing("rise", digits[:60] + [0.5] * 20)
    found = alarms(con, told)
    assert {job for _, job in found} == {"leap", "rise"}
    assert {view for view, job in found if job == "leap"} == {"loss_spikes"}
    assert ("divergences", "rise") in found


def test_synthetic_times_tell_no_stall(con: duckdb.DuckDBPyConnection) -> None:
    """Azure's step times are counted up: a gap in them is no stall."""
    late = curve(late={50: 90_000})
    for event in late:
        event.event_id = f"ftevent-{event.step:032x}"
    assert ("stalls", "x") not in alarms(con, late)


def test_thresholds_are_read_from_their_view(con: duckdb.DuckDBPyConnection) -> None:
    """Another `thresholds` view sets every detector, with nothing else made anew."""
    events = curve(losses={60: 2.2})
    assert alarms(con, events) == set()
    con.execute("create or replace table defaults as from thresholds")
    given = (
        "create or replace view thresholds as "
        "select * replace (case threshold {} else value end as value) from defaults"
    )
    try:
        con.execute(given.format("when 'least_rise' then 0.1 when 'deviations' then 2"))
        assert ("loss_spikes", "x") in alarms(con, events)
        con.execute(given.format("when 'warm_up' then 20.5 when 'deviations' then 2"))
        assert alarms(con, curve(losses={60: 1.9})) == set(), "half a point more tells the start"
    finally:
        con.execute("create or replace view thresholds as from defaults")
