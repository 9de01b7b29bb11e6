"""Synthetic streams: the same for the same seed, like real ones, and true about themselves."""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.synth_cmd import synth
from pipeline.errors import UsageError
from pipeline.synth import Job, job, jobs
from pipeline.synth.azure import metrics_id
from pipeline.synth.curves import walk
from pipeline.synth.draws import Draws
from pipeline.synth.samples import write_samples
from pipeline.synth.stream import FAILURES
from pipeline.synth.writers import exchange, pages, polls, write_array, write_lines
from pipeline.zstd import zstd

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "data" / "samples"
CORPUS = ROOT.parent / "shared" / "corpus"

outcomes = st.sampled_from(["succeeded", "failed", "cancelled", "running"])
kinds = st.sampled_from(
    [
        ("openai", "supervised"),
        ("openai", "preference"),
        ("openai", "reinforcement"),
        ("azure", "supervised"),
        ("azure", "preference"),
    ]
)


@st.composite
def any_job(draw: st.DrawFn) -> Job:
    """Any job that can be asked for."""
    dialect, method = draw(kinds)
    return job(
        draw(st.integers(0, 2**40)),
        draw(st.integers(0, 5000)),
        events=draw(st.integers(1, 150)),
        dialect=dialect,
        method=method,
        outcome=draw(outcomes),
        restarts=draw(st.integers(0, 3)),
    )


def metrics(made: Job) -> list[dict[str, Any]]:
    """The metrics events of a job, in order."""
    return [event for event in made.events if event["type"] == "metrics"]


def unpacked(path: Path) -> bytes:
    """The content of a file, decompressed as its suffix says."""
    raw = path.read_bytes()
    return {".gz": gzip.decompress, ".zst": zstd.decompress}.get(path.suffix, bytes)(raw)


def test_seed() -> None:
    """Equal seeds give equal jobs, and another seed gives others."""
    first, again, other = (list(jobs(seed, 12)) for seed in (7, 7, 8))
    assert first == again
    assert not {made.job_id for made in first} & {made.job_id for made in other}


@given(any_job())
def test_required_fields(made: Job) -> None:
    """Every event has the required fields with the types of the specification."""
    for event in made.events:
        assert event["object"] == "fine_tuning.job.event"
        assert event["level"] in ("info", "warn", "error")
        assert event["type"] in ("message", "metrics", "moderation_checks")
        assert type(event["created_at"]) is int
        assert isinstance(event["message"], str)
        assert isinstance(event.get("data"), dict | None)
        digits = 32 if made.dialect == "azure" else 24
        assert len(event["id"]) == len("ftevent-") + digits
    assert made.job_id.startswith("ftjob-")


@given(any_job())
def test_order(made: Job) -> None:
    """Events are in order of time, and ids are unique within a job."""
    assert all(a["created_at"] <= b["created_at"] for a, b in pairwise(made.events))
    assert len({event["id"] for event in made.events}) == len(made.events)


@given(any_job())
def test_restarts(made: Job) -> None:
    """The steps fall back exactly where the job says that it restarted."""
    steps = [event["data"]["step"] for event in metrics(made)]
    falls = [(a, b) for a, b in pairwise(steps) if b <= a]
    assert falls == [(fall.after_step, fall.back_to_step) for fall in made.restarts]
    assert max(steps, default=0) <= made.total_steps
    if made.outcome == "succeeded":
        assert steps[-1] == made.total_steps


@given(st.integers(0, 2**32), st.integers(2, 400), st.integers(0, 5))
def test_walk(seed: int, count: int, restarts: int) -> None:
    """The steps of a walk are as many as asked, leave none out, and fall at each new attempt."""
    order, begins = walk(Draws(seed), count, restarts)
    assert len(order) == count
    assert set(order) == set(range(max(order) + 1))
    assert [at for at in range(1, count) if order[at] <= order[at - 1]] == begins
    assert len(begins) == min(restarts, count // 8)
    assert order[-1] == max(order)


@given(any_job())
def test_outcome(made: Job) -> None:
    """The last words of a job tell its outcome."""
    said = [event["message"] for event in made.events]
    levels = Counter(event["level"] for event in made.events)
    succeeded = {"Job succeeded.", "The job has successfully completed"} & set(said)
    assert bool(succeeded) == (made.outcome == "succeeded") == (made.model_id is not None)
    assert bool(levels["error"]) == (made.outcome == "failed") == (made.failure is not None)
    assert (levels["warn"] == 1) == (made.outcome == "cancelled" and made.dialect == "openai")
    if made.outcome == "cancelled":
        assert "cancel" in said[-1]


@given(st.integers(0, 2**40), st.integers(30, 150), st.integers(0, 2))
def test_azure_time_stamps(seed: int, events: int, restarts: int) -> None:
    """Azure's metrics are stamped step after step from one base per attempt, and steps are tens."""
    made = job(seed, events=events, dialect="azure", restarts=restarts)
    bases = {event["created_at"] - event["data"]["step"] for event in metrics(made)}
    assert len(bases) == 1 + len(made.restarts)
    steps = sorted(made.curve)
    assert steps[0] == 1
    assert all(step % 10 == 0 for step in steps[1:-1])
    assert all("total_steps" not in event["data"] for event in metrics(made))


def test_azure_id() -> None:
    """The id of an Azure metrics event is its time stamp in .NET ticks, written twice."""
    assert metrics_id(1748022182) == "ftevent-008dd9a2143e297008dd9a2143e29700"
    assert metrics_id(1762283265) == "ftevent-808de1bd56fbf96808de1bd56fbf9680"


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no {CORPUS}")
def test_azure_ids_of_real_dumps() -> None:
    """The ids of all metrics events in real Azure pages are those we would have made."""
    real = 0
    for path in CORPUS.glob("azure_*.json"):
        page, _ = json.JSONDecoder().raw_decode(path.read_text("utf-8"))
        for event in page["data"]:
            if event["type"] == "metrics":
                assert event["id"] == metrics_id(event["created_at"])
                real += 1
    assert real > 20


def test_shared_azure_ids() -> None:
    """Among many Azure jobs, some metrics events of different jobs have the same id."""
    held: dict[str, set[str]] = {}
    for made in jobs(0, 40, events=2000, dialect="azure"):
        for event in made.events:
            held.setdefault(event["id"], set()).add(made.job_id)
    assert any(len(owners) > 1 for owners in held.values())


def test_variety() -> None:
    """A few hundred jobs show every dialect, method, outcome, failure, restart and tie."""
    made = list(jobs(5, 400, events=16_000))
    assert {(m.dialect, m.outcome) for m in made} == {
        (dialect, outcome)
        for dialect in ("openai", "azure")
        for outcome in ("succeeded", "failed", "cancelled", "running")
    }
    assert {m.method for m in made} == {"supervised", "preference", "reinforcement"}
    assert {m.failure for m in made} - {None} == set(FAILURES["openai"])
    assert any(m.restarts for m in made)
    assert any(m.overfit_step for m in made)
    assert any("full_valid_loss" in e["data"] for m in made for e in metrics(m))
    assert any(a["created_at"] == b["created_at"] for m in made for a, b in pairwise(metrics(m)))
    assert {json.dumps(e.get("data", "absent")) for m in made for e in m.events} >= {
        "{}",
        "null",
        '"absent"',
    }


@pytest.mark.parametrize(("count", "events"), [(1, 500), (7, 3000), (60, 6000)])
def test_size(count: int, events: int) -> None:
    """The events asked for are met within ten, however many jobs share them."""
    assert abs(sum(len(made.events) for made in jobs(2, count, events=events)) - events) <= 10


def test_impossible_jobs() -> None:
    """What a dialect has not is refused, with the way out."""
    with pytest.raises(ValueError, match="use dialect openai"):
        job(1, dialect="azure", method="reinforcement")
    with pytest.raises(ValueError, match="failure unsafe_model in a failed azure job"):
        job(1, dialect="azure", outcome="failed", failure="unsafe_model")
    with pytest.raises(ValueError, match="make it smaller"):
        list(pages(job(1), limit=5, overlap=5))


def test_lines_and_array() -> None:
    """Lines and arrays hold the events of all jobs in order, Azure's lines with their job's id."""
    made = list(jobs(3, 5))
    lines, array = io.BytesIO(), io.BytesIO()
    expected = [(m.job_id, m.dialect, event) for m in made for event in m.events]
    assert write_lines(made, lines) == write_array(made, array) == len(expected)
    for row, element, (job_id, dialect, event) in zip(
        lines.getvalue().splitlines(), json.loads(array.getvalue()), expected, strict=True
    ):
        named = {**event, "fine_tuning_job_id": job_id}
        assert json.loads(row) == (named if dialect == "azure" else event)
        assert element == named


@given(any_job(), st.integers(1, 40), st.integers(0, 10))
def test_pages(made: Job, limit: int, overlap: int) -> None:
    """Pages are newest first, overlap as asked, hold every event; the last has no more."""
    overlap = min(overlap, limit - 1)
    listed = list(pages(made, limit=limit, overlap=overlap))
    assert [page["has_more"] for page in listed] == [True] * (len(listed) - 1) + [False]
    newest_first = listed[0]["data"][:]
    for page in listed[1:]:
        assert newest_first[len(newest_first) - overlap :] == page["data"][:overlap]
        newest_first += page["data"][overlap:]
    assert newest_first == made.events[::-1]


def test_polls() -> None:
    """Polls are the newest page each time; together they hold the whole job."""
    made = job(4, events=80)
    listed = list(polls(made, limit=20, every=15))
    assert all(len(page["data"]) <= 20 for page in listed)
    shared = [
        {e["id"] for e in a["data"]} & {e["id"] for e in b["data"]} for a, b in pairwise(listed)
    ]
    assert all(shared)
    assert {e["id"] for p in listed for e in p["data"]} == {e["id"] for e in made.events}


def test_exchange() -> None:
    """A recorded exchange holds the page as a string and the job's id in the URL."""
    made = job(4, events=60)
    recorded = exchange(made)
    assert made.job_id in recorded["request"]["url"]
    assert json.loads(recorded["response"]["body"])["data"] == made.events[::-1]


def test_samples_are_regenerated(tmp_path: Path) -> None:
    """The committed samples are what the command writes, to the last digit of every number."""
    write_samples(tmp_path)
    for path in sorted(p for p in tmp_path.rglob("*") if p.is_file()):
        committed = SAMPLES / path.relative_to(tmp_path)
        assert unpacked(committed) == unpacked(path), committed.name


def test_samples_are_described() -> None:
    """The README describes every sample and every broken file."""
    text = (ROOT / "data" / "README.md").read_text("utf-8")
    for path in (ROOT / "data").rglob("*.*"):
        if path.is_file() and path.parent.name in ("samples", "broken"):
            assert f"`{path.name}`" in text, path.name
    assert sum(p.stat().st_size for p in SAMPLES.rglob("*") if p.is_file()) < 2_000_000


def test_oddities() -> None:
    """Every line of the oddities is blank, a job, a checkpoint, or an event with valid fields."""
    rows = (SAMPLES / "oddities.jsonl").read_bytes().decode("utf-8-sig").split("\n")
    objects = Counter()
    for row in rows:
        if not row.strip():
            objects["blank"] += 1
            continue
        event = json.loads(row)
        objects[event["object"]] += 1
        if event["object"] == "fine_tuning.job.event":
            assert event["created_at"] == int(event["created_at"])
            assert all(isinstance(event[name], str) for name in ("id", "level", "message"))
            assert isinstance(event.get("data"), dict | None)
    assert objects == {
        "fine_tuning.job.event": 32,
        "blank": 2,
        "fine_tuning.job": 1,
        "fine_tuning.job.checkpoint": 1,
    }


@pytest.mark.parametrize("name", ["events.jsonl", "events.json.gz", "events.jsonl.zst"])
def test_command_same_bytes(tmp_path: Path, name: str) -> None:
    """The command writes the same bytes for the same seed, compressed or not."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        options = ["--jobs", "3", "--seed", "9", "--form", "array" if "json." in name else "jsonl"]
        result = CliRunner().invoke(synth, [str(tmp_path / folder / name), *options])
        assert result.exit_code == 0, result.output
    first, second = ((tmp_path / folder / name) for folder in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert unpacked(first).startswith((b"{", b"["))


@pytest.mark.parametrize("form", ["files", "pages", "polls"])
def test_command_folders(tmp_path: Path, form: str) -> None:
    """In the folder forms every file's name holds the id of its job."""
    options = ["--jobs", "4", "--form", form, "--compression", "gz"]
    result = CliRunner().invoke(synth, [str(tmp_path), *options])
    assert result.exit_code == 0, result.output
    ids = {made.job_id for made in jobs(0, 4)}
    assert {path.name.split(".")[0] for path in tmp_path.iterdir()} == ids
    assert all(
        json.loads(gzip.decompress(p.read_bytes()).splitlines()[0]) for p in tmp_path.iterdir()
    )


def test_command_standard_output() -> None:
    """With - the events go to standard output and nothing else does."""
    result = CliRunner().invoke(synth, ["-", "--jobs", "2"])
    assert [json.loads(line)["object"] for line in result.stdout.splitlines()]
    assert "events written" in result.stderr


@pytest.mark.parametrize("form", ["jsonl", "array"])
def test_a_file_needs_its_folder(tmp_path: Path, form: str) -> None:
    """A mistyped folder is refused as by -o elsewhere; folders that are written are made."""
    result = CliRunner().invoke(synth, [str(tmp_path / "typo" / "x.jsonl"), "--form", form])
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).endswith("typo: make it, or name another file")
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--events", "3", "--jobs", "4"], "ask for more events"),
        (["--form", "pages", "--limit", "5", "--overlap", "5"], "has to be less"),
        (["--dialect", "azure", "--method", "reinforcement"], "use openai or mixed"),
        (["--form", "pages"], "name a folder"),
    ],
)
def test_command_refusals(options: list[str], message: str) -> None:
    """What cannot be written is refused in one line that says what to do."""
    result = CliRunner().invoke(synth, ["-", *options])
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)
