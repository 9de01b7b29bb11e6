"""What is asked for some jobs is what all is asked for and cut down to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from dumps import A, an_event
from oracle_lake import plain

from pipeline import open_lake, views
from pipeline.cli import run
from pipeline.errors import UsageError
from pipeline.lake.lake import Lake

ROOT = Path(__file__).parents[1]
ODD = "ftjob-it's\n$$alone$$; {jobs} {0} --"
JOINED = "job_id in (select unnest($1::varchar[]))"
OF_JOBS = [
    view.name
    for view in views.catalogue()
    if view.layer == "marts"
    and view.name not in views.OF_ALL
    and "job_id" in {column.name for column in view.columns}
]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake of the samples, a job that only an object tells of, and one whose messages do."""
    folder = tmp_path_factory.mktemp("lake")
    alone = {"object": "fine_tuning.job", "id": ODD, "status": "failed"}
    (folder / "job.json").write_text(json.dumps(alone))
    told = [an_event(n, message=f"Step {n}/9: training loss=0.{n}") for n in range(1, 5)]
    lines = [json.dumps(event | {"data": {}, "type": "message"}) for event in told]
    (folder / f"{A}.jsonl").write_text("\n".join(lines))
    with open_lake(folder / "lake") as made:
        made.ingest([ROOT / "data" / "samples", folder / "job.json", folder / f"{A}.jsonl"])
        yield made


@pytest.fixture(scope="module")
def jobs(lake: Lake) -> list[str]:
    """The jobs of that lake."""
    return lake.sql("select job_id from jobs order by job_id")["job_id"].to_list()


def test_views_tell_of_chosen_jobs_what_they_tell_of_all(lake: Lake, jobs: list[str]) -> None:
    """Every view but rankings, for every third job, those that share nothing with it included."""
    chosen = jobs[::3]
    with lake.connect() as con, lake.connect(jobs=chosen) as focused:
        for name in OF_JOBS:
            wanted, found = (
                sorted(repr(list(map(plain, row))) for row in rows.fetchall())
                for rows in (
                    con.execute(f"from {name} where {JOINED}", [chosen]),
                    focused.execute(f"from {name}"),
                )
            )
            assert found == wanted, name
        told = focused.sql("select distinct job_id from lake_events").fetchall()
        assert {job for (job,) in told} <= set(chosen)


@pytest.mark.parametrize("job", [ODD, "ftjob-a\ncopy (select 1) to $$x$$; --", "a\0b'\\'", "{"])
def test_ids_are_no_sql(job: str) -> None:
    """Whatever an id holds: each statement is one of the file's."""
    told = duckdb.extract_statements(views.focus([job, "ftjob-b"]))
    assert len(told) == 10 == len(duckdb.extract_statements(views.focus(["ftjob-b"])))


def test_one_id_is_one_job(lake: Lake) -> None:
    """And not its letters; its beginning will do; one that is not there, or none, is told."""
    for unknown in ("a\ud800", "ftjob-nobody", ""):
        with pytest.raises(UsageError, match=r"no job of that name|no id of a job"):
            lake.connect(jobs=[unknown])
        with pytest.raises(UsageError, match=r"no job of that name|no id of a job"):
            lake.export_events(unknown)
    with pytest.raises(UsageError, match=r"^3: no id of a job"):
        lake.export_events(3)  # type: ignore[arg-type]
    whole, begun = (list(lake.export_events(name)) for name in (ODD, ODD[:-1]))
    assert whole == begun and json.loads(whole[0])["id"] == ODD
    with pytest.raises(UsageError, match=r"^jobs=\[\]: names no job: leave it out"):
        lake.connect(jobs=pl.Series([], dtype=pl.String))
    for given in (ODD, iter([ODD]), ODD[:-1], pl.Series([ODD])):
        with lake.connect(["jobs"], jobs=given) as con:
            assert con.sql("select job_id from jobs").fetchall() == [(ODD,)]


def test_a_ranking_is_among_all(
    lake: Lake, jobs: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """`show leaderboard --job` tells the rank that the whole view tells."""
    last = lake.sql("from leaderboard where rank > 1 order by rank desc, job_id limit 1")
    job = last["job_id"][0]
    assert run(["show", "leaderboard", "--job", job, *_of(lake)]) == 0
    (row,) = json.loads(capfd.readouterr().out)
    assert row["rank"] == last["rank"][0] > 1


@pytest.mark.parametrize("view", ["jobs", "loss_curves", "sources"])
def test_show_and_export_of_jobs(
    lake: Lake, jobs: list[str], view: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Print what a condition on the whole view prints, in its order."""
    if view == "sources":
        assert run(["show", view, "--job", jobs[0], *_of(lake)]) == 2
        return
    chosen = jobs[1:6:2]
    listed = ", ".join("'" + job.replace("'", "''") + "'" for job in chosen)
    assert run(["show", view, "--where", f"job_id in ({listed})", *_of(lake)]) == 0
    wanted = capfd.readouterr().out
    given = [word for job in chosen for word in ("--job", job)]
    for command in ("show", "export"):
        assert run([command, view, *given, *_of(lake)]) == 0
        assert capfd.readouterr().out == wanted
    assert len(json.loads(wanted)) >= len(chosen)


def test_the_jobs_that_are_named_are_compared(
    lake: Lake, jobs: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """`show` and `export` of `compare` compare the two jobs that --job names, in that order."""
    pair = lake.sql("select job_id from jobs where steps > 0 order by job_id desc limit 2")
    a, b = pair["job_id"]
    wanted = lake.sql("from compare($a, $b) order by axis, metric, position", a=a, b=b)
    given = ["--job", a, "--job", b]
    for command in (["show"], ["export"], ["show", "--where", "position >= (select 0)"]):
        assert run([command[0], "compare", *command[1:], *given, *_of(lake)]) == 0
        told = json.loads(capfd.readouterr().out)
        assert [row["difference"] for row in told] == wanted["difference"].to_list()
        assert {(row["job_a"], row["job_b"]) for row in told} <= {(a, b), (a, None), (None, b)}
    assert run(["show", "compare", *given[:2], *_of(lake)]) == 2
    assert "this view is of two jobs: name both" in capfd.readouterr().err


def test_a_condition_may_ask_for_other_jobs(
    lake: Lake, jobs: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """A query inside --where sees all of them."""
    fewer = "events < (select max(events) from jobs)"
    job = lake.sql(f"from jobs where errors = 0 and events > 0 and {fewer}")["job_id"][0]
    queries = (
        "events < (SELECT max(events) FROM jobs)",
        "events < (from(select max(events) from jobs))",
    )
    for query in (*queries, "exists (unpivot errors on message into name n value v)"):
        assert run(["show", "jobs", "--job", job, "--where", query, *_of(lake)]) == 0
        assert [row["job_id"] for row in json.loads(capfd.readouterr().out)] == [job]


def test_sql_of_jobs(lake: Lake, jobs: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """With --job, by a beginning of its id too, the views tell of these jobs alone."""
    given = ["--job", jobs[0], "--job", jobs[3][:-2]]
    query = "select job_id from jobs order by job_id"
    assert run(["sql", query, *given, *_of(lake)]) == 0
    assert [row["job_id"] for row in json.loads(capfd.readouterr().out)] == [jobs[0], jobs[3]]
    assert run(["sql", "from all_events", *given, *_of(lake)]) == 2
    assert "all_events" in capfd.readouterr().err
    assert run(["sql", query, "--job", "ftjob-nobody", *_of(lake)]) == 2
    assert "no job" in capfd.readouterr().err


def test_what_is_listed_may_be_asked(lake: Lake, capfd: pytest.CaptureFixture[str]) -> None:
    """SHOW TABLES, and what asks the catalogue, name nothing that a query may not read."""
    for query in ("show tables", "select table_name as name from information_schema.tables"):
        assert run(["sql", query, *_of(lake)]) == 0
        listed = [row["name"] for row in json.loads(capfd.readouterr().out)]
        tables = [
            name for name in listed if name not in views.orders()
        ]  # views are asked elsewhere
        asked = " + ".join(f"(select count(*) from {name} where false)" for name in tables)
        assert len(tables) > 5 and run(["sql", f"select {asked} as n", *_of(lake)]) == 0
        assert json.loads(capfd.readouterr().out) == [{"n": 0}]


def test_two_jobs_are_compared_by_what_they_are(lake: Lake) -> None:
    """By name, as the view compares the last two, and a job with itself: no other job matters."""
    pair = lake.sql("select any_value(job_a) as a, any_value(job_b) as b from compare").row(0)
    whole = lake.view("compare")
    named = lake.sql("from compare($a, $b) order by axis, metric, position", a=pair[0], b=pair[1])
    assert named.equals(whole) and len(whole) > 100
    same = lake.sql("from compare($a, $a)", a=pair[0])
    assert same["difference"].drop_nulls().unique().to_list() == [0.0]
    assert same["value_a"].equals(same["value_b"])
    steps = same.filter(axis="step")
    dense = steps["metric"].mode().item()  # the others have too few points to be smoothed
    wanted = lake.sql("from loss_curves_smoothed where job_id = $a", a=pair[0])
    total = wanted.filter(metric=dense)["smoothed"].sum()
    assert steps.filter(metric=dense)["smoothed_a"].sum() == pytest.approx(total, rel=1e-9) != 0
    sides = "from compare($a, $b) where step_a is not null or step_b is not null"
    assert len(lake.sql(sides, a=None, b=pair[0])) == len(lake.sql(sides, a=pair[0], b=None)) > 0
    curve = lake.sql("from loss_curves where job_id = $a", a=pair[0])
    points = named.filter(axis="step").select(pl.col("value_a").count()).item()
    names = sorted(set(named["metric"]))
    assert points == sum(curve[name].count() for name in names)


def _of(lake: Lake) -> list[str]:
    return ["--lake", str(lake.path), "--format", "json"]


def scans(node: dict[str, Any]) -> Iterator[str]:
    """What each reading of files in a plan reads, and by which conditions."""
    if "PARQUET" in node["name"]:
        yield json.dumps(node["extra_info"])
    for child in node["children"]:
        yield from scans(child)


def test_a_condition_on_the_job_reaches_every_reading(lake: Lake) -> None:
    """What is asked of one job is read of that one: no view looks at others, but for a ranking."""
    con = lake.connect()
    for name in OF_JOBS:
        query = f"explain (format json) from {name} where job_id = $1"
        ((_, plan),) = con.execute(query, [A]).fetchall()
        read = [scan for top in json.loads(plan) for scan in scans(top)]
        assert not [scan for scan in read if '"job_id"' in scan and A not in scan], name
