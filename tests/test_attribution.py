"""Which job events belong to: every kind of evidence, every order of arrival."""

from __future__ import annotations

import json
import random
import tracemalloc
from functools import partial
from itertools import permutations, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import xxhash
from engine import asked
from hypothesis import example, given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from strategies import START, examples
from test_laws import sound, workplace

from pipeline import exact, open_lake
from pipeline.attribution import Scout
from pipeline.contract import UNATTRIBUTED_PREFIX
from pipeline.errors import UsageError
from pipeline.forms.lines import line_blocks, lines_of
from pipeline.lake import reading, version
from pipeline.lake.lake import Lake

A, B, C = (f"ftjob-{letter * 24}" for letter in "ABC")
Events = list[dict[str, Any]]


def job_events(job: str, count: int = 5, *, start: int = START, created: bool = True) -> Events:
    """The events of a job, oldest first; ids tell nothing of the job to the reader."""
    texts = [f"Created fine-tuning job: {job}"] if created else ["Fine-tuning job started"]
    texts += [f"Step {n}/{count}: training loss=0.50" for n in range(1, count)]
    return [
        {
            "object": "fine_tuning.job.event",
            "id": f"ftevent-{job[-1]}{start + n:023}",
            "created_at": start + n,
            "level": "info",
            "message": text,
            "type": "message",
            "data": {},
        }
        for n, text in enumerate(texts)
    ]


def lines(events: Events) -> str:
    """Events as JSON lines."""
    return "".join(json.dumps(event) + "\n" for event in events)


def page(events: Events) -> dict[str, Any]:
    """Events as a list page, newest first."""
    return {"object": "list", "data": events[::-1], "has_more": False}


def put(path: Path, content: Any) -> Path:
    """A file of text, or of a value as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def jobs(lake: Lake) -> dict[str, list[str]]:
    """Job -> ids of its events."""
    sound(lake)
    found: dict[str, list[str]] = {}
    query = "select job_id, event_id from lake_events order by all"
    for job, event in asked(lake).execute(query).fetchall():
        found.setdefault(job, []).append(event)
    return found


def ids(events: Events) -> list[str]:
    """The ids of events, sorted."""
    return sorted(event["id"] for event in events)


def told(lake: Lake) -> list[tuple[str, str]]:
    """(job, how it was told) of each stream with events."""
    query = (
        "select distinct streams.job_id, told_by from lake_streams as streams "
        "semi join lake_events using (stream_id) order by all"
    )
    return asked(lake).execute(query).fetchall()


NAMELESS = job_events(A, created=False)
URL = f"https://api.openai.com/v1/fine_tuning/jobs/{A}/events"
EXCHANGE = {"request": {"uri": URL}, "response": {"body": {"string": json.dumps(page(NAMELESS))}}}
EXPORT_LINE = {"object": "fine_tuning.job", "id": A}
JOB_OBJECT = {"object": "fine_tuning.job", "id": A, "status": "running"}
CHECKPOINT = {"object": "fine_tuning.job.checkpoint", "id": "c", "fine_tuning_job_id": A}


@pytest.mark.parametrize(
    ("name", "content", "flag", "how"),
    [
        ("x.jsonl", lines(NAMELESS), A, "flag"),
        (f"{B}.jsonl", lines([{**event, "job_id": A} for event in NAMELESS]), None, "beside"),
        ("x.json", EXCHANGE, None, "beside"),
        ("x.json", {"job": JOB_OBJECT, "events": page(NAMELESS)}, None, "beside"),
        ("x.json", {"checkpoints": [CHECKPOINT], "events": NAMELESS}, None, "beside"),
        ("x.json", {"fine_tuning_job_id": A, "events": NAMELESS}, None, "beside"),
        ("x.jsonl", lines([JOB_OBJECT, *NAMELESS]), None, "beside"),
        ("x.jsonl", lines(job_events(A)), None, "creation"),
        ("x.json", page(job_events(A)), None, "creation"),
        ("x.json", job_events(A), None, "creation"),
        (f"{A}.jsonl", lines(NAMELESS), None, "name"),
        (f"{A}/page.json", page(NAMELESS), None, "name"),
    ],
)
def test_evidence(tmp_path: Path, name: str, content: Any, flag: str | None, how: str) -> None:
    """Each kind of evidence gives the events to the job it names, and is told."""
    path = put(tmp_path / "dumps" / name, content)
    with open_lake(tmp_path / "lake") as lake:
        assert not lake.ingest([path], job_id=flag).reject_count
        assert [*jobs(lake)] == [A] and len(jobs(lake)[A]) == 5
        assert how in {by for _, by in told(lake)}


@pytest.mark.parametrize(
    ("name", "content", "how"),
    [
        (f"{B}.jsonl", lines(job_events(A)), "creation"),
        (f"{B}.json", EXCHANGE, "beside"),
        (f"{B}/{A}.jsonl", lines(NAMELESS), "name"),
        (f"{B}.jsonl", lines([JOB_OBJECT, *NAMELESS]), "beside"),
    ],
)
def test_nearer_evidence_wins(tmp_path: Path, name: str, content: Any, how: str) -> None:
    """What stands beside the events is nearer than their creation message, that than a name."""
    path = put(tmp_path / name, content)
    with open_lake(tmp_path / "lake") as lake:
        assert not lake.ingest([path]).reject_count
        assert [*jobs(lake)] == [A] and told(lake) == [(A, how)]


def test_name_beats_shared_ids(tmp_path: Path) -> None:
    """A stream whose name tells a job keeps it, though another job holds the same events."""
    one = put(tmp_path / "one" / f"{A}.jsonl", lines(NAMELESS))
    two = put(tmp_path / "two" / f"{B}.jsonl", lines(NAMELESS[:3]))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([one])
        lake.ingest([two])
        assert {job: len(found) for job, found in jobs(lake).items()} == {A: 5, B: 3}


@pytest.mark.parametrize("above", [JOB_OBJECT, EXPORT_LINE], ids=["object", "export"])
def test_a_page_below_a_job_object(tmp_path: Path, above: dict[str, Any]) -> None:
    """A page on a line is of the job above it, as events there are, unless it names its own."""
    own = [page(job_events(B, start=START + 50)), page(job_events(C, created=False, start=START))]
    own[1]["fine_tuning_job_id"] = C
    path = put(tmp_path / f"{B}.jsonl", lines([above, page(NAMELESS), *own]))
    with open_lake(tmp_path / "lake") as lake:
        assert not lake.ingest([path]).reject_count
        assert jobs(lake) == {
            A: ids(NAMELESS),
            B: ids(job_events(B, start=START + 50)),
            C: ids(job_events(C, created=False, start=START)),
        }
        assert told(lake) == [(A, "beside"), (B, "creation"), (C, "beside")]


@pytest.mark.parametrize("place", ["name", "folder", "url"])
def test_ids_of_the_older_api_of_azure(tmp_path: Path, place: str) -> None:
    """They are `ft-` and 32 digits: in addresses and names they tell the job as others do."""
    job = f"ft-{'0f12ab3e' * 4}"
    exchange = {**EXCHANGE, "request": {"uri": URL.replace(A, job)}}
    name = {"name": f"{job}.json", "folder": f"{job}/page.json", "url": "x.json"}[place]
    path = put(tmp_path / name, exchange if place == "url" else page(NAMELESS))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        assert jobs(lake) == {job: ids(NAMELESS)}
    for none in (f"{job}0", f"{job[:-1]}g", job[:-1], f"0{job}"):
        assert not exact.JOB_ID.search(none)


OTHERS = job_events(B, created=False, start=START + 50)
OTHER_OBJECT = {**JOB_OBJECT, "id": B}


@pytest.mark.parametrize("between", [[], [""], [CHECKPOINT], [JOB_OBJECT, "", CHECKPOINT]])
@pytest.mark.parametrize("block_bytes", [300, 8 << 20])
def test_a_list_of_job_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, between: list[Any], block_bytes: int
) -> None:
    """Several jobs named with no event between them name nobody's events; the next one does."""
    all_are_large(monkeypatch, block_bytes)
    rows = [*job_events(C, start=START + 90), JOB_OBJECT, *between, OTHER_OBJECT, *NAMELESS]
    text = "".join(f"{json.dumps(row) if row else ''}\n" for row in [*rows, OTHER_OBJECT, *OTHERS])
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", text)])
        found = jobs(lake)
        assert (found.pop(C), found.pop(B)) == (ids(job_events(C, start=START + 90)), ids(OTHERS))
        ((job, events),) = found.items()
        assert job.startswith(UNATTRIBUTED_PREFIX) and events == ids(NAMELESS)


@pytest.mark.parametrize("block_bytes", [300, 8 << 20])
@pytest.mark.parametrize("paged", [False, True], ids=["lines", "pages"])
def test_job_objects_below_their_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paged: bool, block_bytes: int
) -> None:
    """Where a file begins with events and ends with a job's object, none tells of what is below
    it, also if that end came later; where all are of one job, it does."""
    all_are_large(monkeypatch, block_bytes)
    beginning = lines([*NAMELESS, JOB_OBJECT, *([page(OTHERS)] if paged else OTHERS)])
    for grows in (False, True):
        with open_lake(tmp_path / f"lake {grows}") as lake:
            path = tmp_path / f"{grows}.jsonl"
            if grows:
                lake.ingest([put(path, beginning)])
                assert jobs(lake)[A] == ids(OTHERS)
            lake.ingest([put(path, beginning + lines([OTHER_OBJECT]))])
            found = jobs(lake)
            assert sorted(found.values()) == sorted([ids(NAMELESS), ids(OTHERS)])
            assert all(job.startswith(UNATTRIBUTED_PREFIX) for job in found)
            lake.ingest([put(tmp_path / "one.jsonl", beginning + lines([JOB_OBJECT]))])
            assert jobs(lake)[A] == ids(OTHERS)


WAYS = [
    ("line", None, lambda row: row),
    ("indented", 1, lambda row: row),
    ("entry", None, lambda row: {"at": "2024", "what": row}),
    ("string", None, lambda row: {"log": json.dumps(row)}),
]


@pytest.mark.parametrize("bare", [False, True], ids=["as events", "bare"])
@pytest.mark.parametrize(("indent", "way"), [w[1:] for w in WAYS], ids=[w[0] for w in WAYS])
def test_job_objects_in_a_log(tmp_path: Path, indent: int | None, way: Any, bare: bool) -> None:
    """However a log writes events and jobs: a job's object tells of what is below it, up to the
    next one, and of nothing above it; creation messages count before."""

    def written(*rows: Any) -> str:
        how = [row if bare and row in (JOB_OBJECT, OTHER_OBJECT) else way(row) for row in rows]
        return "".join(json.dumps(row, indent=indent) + "\n" for row in how)

    named, last = job_events(C, start=START + 90), job_events(B, start=START + 200)
    parts = [*named, JOB_OBJECT, *NAMELESS, OTHER_OBJECT, *OTHERS]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", written(*parts))])
        assert jobs(lake) == {A: ids(NAMELESS), B: ids(OTHERS), C: ids(named)}
        assert not lake.sql("from rejects").rows()
    with open_lake(tmp_path / "above") as lake:
        lake.ingest([put(tmp_path / "y.jsonl", written(*NAMELESS, OTHER_OBJECT, *OTHERS))])
        found = jobs(lake)
        assert found.pop(B) == ids(OTHERS) and [*found.values()] == [ids(NAMELESS)]
    with open_lake(tmp_path / "end") as lake:
        lake.ingest([put(tmp_path / "z.jsonl", written(*NAMELESS, *last, OTHER_OBJECT))])
        found = jobs(lake)
        assert found.pop(B) == ids(last) and [*found.values()] == [ids(NAMELESS)]


@pytest.mark.parametrize(("indent", "way"), [w[1:] for w in WAYS], ids=[w[0] for w in WAYS])
def test_a_job_object_tells_no_direction(tmp_path: Path, indent: int | None, way: Any) -> None:
    """Newest first is what stands so below a job's object, which is older than all of it."""
    objects = [{**row, "created_at": START - 50} for row in (JOB_OBJECT, CHECKPOINT, OTHER_OBJECT)]
    rows = [*objects[:2], *NAMELESS[::-1], objects[2], *OTHERS]
    text = "".join(json.dumps(way(row), indent=indent) + "\n" for row in rows)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", text)])
        question = "select job_id, newest_first from lake_streams order by all"
        assert asked(lake).execute(question).fetchall() == [(A, True), (B, False)]


def test_a_job_object_in_another_document_takes_no_page(tmp_path: Path) -> None:
    """A page that names its job is that job's, though the file has an object of another one."""
    pages = [JOB_OBJECT, page(NAMELESS), page(job_events(B, start=START + 50))]
    text = "\n".join(json.dumps(part, indent=1) for part in pages)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.json", text)])
        assert jobs(lake) == {A: ids(NAMELESS), B: ids(job_events(B, start=START + 50))}


CONTRARY = {
    "creation": ("x.jsonl", lines(job_events(A))),
    "url": ("x.json", EXCHANGE),
    "name": (f"{A}.jsonl", lines(NAMELESS)),
    "object": ("x.jsonl", lines([JOB_OBJECT, *NAMELESS])),
    "export": ("x.jsonl", lines([EXPORT_LINE, *NAMELESS])),
}


@pytest.mark.parametrize("kind", CONTRARY)
def test_flag_against_evidence(tmp_path: Path, kind: str) -> None:
    """--job-id against what a dump says of itself is refused, changes nothing; --force lets it."""
    name, content = CONTRARY[kind]
    path = put(tmp_path / name, content)
    with open_lake(tmp_path / "lake") as lake:
        with pytest.raises(UsageError, match=rf"^[^\n]*names job {A}[^\n]*{B}[^\n]*--force$"):
            lake.ingest([path], job_id=B)
        assert jobs(lake) == {} and lake.view("sources").is_empty()
        lake.ingest([path], job_id=B, force=True)
        assert [*jobs(lake)] == [B] and told(lake) == [(B, "flag")]


def test_flag_with_evidence(tmp_path: Path) -> None:
    """--job-id that says what the dump says is no contradiction."""
    path = put(tmp_path / f"{A}.jsonl", lines(job_events(A)))
    with open_lake(tmp_path / "lake") as lake:
        assert not lake.ingest([path], job_id=A).reject_count
        assert [*jobs(lake)] == [A]


@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest first", "newest first"])
@pytest.mark.parametrize("count", [2, 40])
def test_many_jobs_in_one_file(tmp_path: Path, newest_first: bool, count: int) -> None:
    """A JSONL of many jobs one after another is cut at their creation messages, either way up."""
    all_jobs = [f"ftjob-{n:024}" for n in range(count)]
    streams = [job_events(job, 4, start=START + 100 * n) for n, job in enumerate(all_jobs)]
    for n, stream in enumerate(streams):
        for event in stream:
            event["id"] = f"ftevent-{n:012}{event['created_at']:012}"
    rows = [event for s in streams for event in (s[::-1] if newest_first else s)]
    path = put(tmp_path / "x.jsonl", lines(rows))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        assert jobs(lake) == {job: ids(s) for job, s in zip(all_jobs, streams, strict=True)}
        assert lake.sql("select distinct newest_first from lake_streams").rows() == [
            (newest_first,)
        ]


@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest first", "newest first"])
def test_validating_beside_created(tmp_path: Path, newest_first: bool) -> None:
    """Each `Validating` that stands before `Created` of the same second belongs to the same job."""
    streams = []
    for job, start in ((A, START), (B, START + 100)):
        events = job_events(job, 5, start=start)
        for event, file in ((events[1], "training"), (events[2], "validation")):
            event |= {"message": f"Validating {file} file: file-abc", "created_at": start}
        events[:3] = events[2::-1]
        streams.append(events)
    rows = [event for s in streams for event in (s[::-1] if newest_first else s)]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines(rows))])
        assert jobs(lake) == {A: ids(streams[0]), B: ids(streams[1])}
        assert lake.view("events")["message"][1].startswith("Validating")


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("between", ["", "\ufeff", " "], ids=["nothing", "mark", "space"])
@pytest.mark.parametrize("large", [False, True])
def test_files_joined_without_a_break(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newest_first: bool, between: str, large: bool
) -> None:
    """Of files joined to one, whose last lines lack their break, each job keeps its events.

    What is appended later is read on.
    """
    if large:
        all_are_large(monkeypatch, 8 << 20)
    told = {job: job_events(job, start=START + 100 * n) for n, job in enumerate((A, B, C))}
    texts = [lines(e[::-1] if newest_first else e)[:-1] for e in told.values()]
    texts = texts[::-1] if newest_first else texts
    with open_lake(tmp_path / "lake") as lake:
        for again, end in enumerate(("", "\n" + texts[0] + "\n")):
            lake.ingest([put(tmp_path / "all.jsonl", between.join(texts) + end)])
            assert jobs(lake) == {job: ids(events) for job, events in told.items()}
            counts = lake.sql("select records, events, duplicates from lake_sources").rows()
            assert counts == [(15 + 5 * again, 15, 5 * again)]


@pytest.mark.parametrize(
    ("entry", "other"),
    [
        (lambda event: {"log": json.dumps(event)}, '{"log": "begins"}'),
        (
            lambda event: {"level": "info", "message": json.dumps(event)},
            '{"level": 1, "message": 2}',
        ),
        (lambda event: {"log": json.dumps(event)}, "begins"),
    ],
)
def test_a_log_that_begins_with_something_else(tmp_path: Path, entry: Any, other: str) -> None:
    """Entries of a log around events are one job, whatever stands above them and between, one that
    is cut off as well."""
    entries = [json.dumps(entry(event)) for event in job_events(A)]
    cut = entries[0][: len(other) + 9]  # by a crash
    path, grown = tmp_path / "x.jsonl", [*[other] * 150, *entries[:3], other, cut, *entries[3:]]
    with open_lake(tmp_path / "lake") as lake:
        for count in (100, 152, len(grown)):
            lake.ingest([put(path, "\n".join(grown[:count]) + "\n")])
        assert jobs(lake) == {A: ids(job_events(A))}


@pytest.mark.parametrize("held", [dict, json.dumps], ids=["object", "string"])
def test_what_a_logger_says_of_events_and_jobs(tmp_path: Path, held: Any) -> None:
    """Its message may be the event's own, and of a job's object it makes an entry as of an event:
    neither takes an event out of its job."""
    both = [job_events(A), job_events(B, start=START + 100)]
    said = [[{"message": row["message"], "event": held(row)} for row in rows] for rows in both]
    about = {"level": "info", "message": "polled", "job": held({**JOB_OBJECT, "id": C})}
    nameless = job_events(C, start=START + 200, created=False)
    told = [{"level": "info", "message": "new", "event": held(row)} for row in nameless]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines([*said[0], *said[1], about, *told]))])
        assert jobs(lake) == {A: ids(both[0]), B: ids(both[1]), C: ids(nameless)}
        assert lake.sql("select companions, rejects from lake_sources").rows() == [(1, 0)]


def test_a_table_that_grows(tmp_path: Path) -> None:
    """Of a table that was half-written nothing stays beside it, wherever a row broke off."""
    told = [job_events(A)[::-1], job_events(B, start=START + 100, created=False)[::-1]]
    rows = [["x", told[0]], ["y", {"page": told[1]}]]
    text, path = json.dumps(rows), tmp_path / "x.json"
    for end in range(300, len(text), 230):
        with open_lake(tmp_path / f"{end}") as lake:
            for part in text[:end], text:
                lake.ingest([put(path, part)])
            assert sorted(map(len, jobs(lake).values())) == [5, 5]
            assert lake.sql("select rejects from lake_sources").rows() == [(0,)]


@pytest.mark.parametrize("ties", [False, True])
def test_jobs_of_either_direction(ties: bool) -> None:
    """Of jobs in one file, some oldest and some newest first, none has events of another.

    Of two, whichever is the older one, each has all of its own.
    """
    for count in (2, 3):
        for places, steps in product(permutations(range(count)), product((1, -1), repeat=count)):
            events: Events = []
            for job, place, step in zip((A, B, C), places, steps, strict=False):
                own = job_events(job, 6, start=START + 100 * place)
                if ties:
                    own[-1]["created_at"] = own[-2]["created_at"]
                events += own[::step]
            scout = Scout(lines=True)
            scout.see(lines_of(lines(events).encode(), 1 << 20))
            for stream in scout.streams():
                named = {e["id"][8] for e in events[stream.first : stream.last + 1]}
                assert named == {stream.job[-1]} if stream.job else count > 2


def test_one_event_between_creations(tmp_path: Path) -> None:
    """What stands alone between two creation messages is of the one that it can follow in time."""
    rows = [*job_events(A, 2), *job_events(B, 1, start=START + 50)]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.json", rows)])
        assert jobs(lake) == {A: ids(rows[:2]), B: ids(rows[2:])}
    against = [*job_events(C, 3, start=START - 90), rows[2], rows[1], rows[0]]
    with open_lake(tmp_path / "against") as lake:
        lake.ingest([put(tmp_path / "y.json", against)])
        assert jobs(lake) == {A: ids(rows[:2]), B: ids(rows[2:]), C: ids(against[:3])}


def test_below_the_creation_of_the_only_job(tmp_path: Path) -> None:
    """In a newest-first log of one job, what stands below its creation message is its own too."""
    rows = job_events(A, 6)
    rows[1] |= {"message": "Files validated, moving job to queued state", "created_at": START}
    rows[:2] = rows[1::-1]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines(rows[::-1]))])
        assert jobs(lake) == {A: ids(rows)}


@pytest.mark.parametrize("form", ["x.jsonl", "x.json"])
def test_cut_in_a_number(tmp_path: Path, form: str) -> None:
    """A time or a step that is cut in two does not turn a log around."""
    events = job_events(A, 5)
    for number, event in enumerate(events):
        event |= {"created_at": START, "data": {"step": 10 + number}}
    later = [event | {"created_at": START + 10 * n} for n, event in enumerate(job_events(A, 5))]
    for some in (events, later):
        text = lines(some) if form == "x.jsonl" else json.dumps(some)
        last = text.rindex('{"object')
        for mark in ('"created_at": ', '"step": ')[: 1 + (some is events)]:
            at = text.index(mark, last) + len(mark) + 1
            for end in ("", "\n"):
                with open_lake(tmp_path / f"{len(list(tmp_path.iterdir()))}") as lake:
                    lake.ingest([put(tmp_path / form, text[:at] + end)])
                    assert jobs(lake) == {A: ids(events)[:-1]}


@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest first", "newest first"])
def test_jobs_that_begin_in_one_second(tmp_path: Path, newest_first: bool) -> None:
    """Jobs whose times overlap are still cut where their creation messages stand."""
    streams = [job_events(job, 6, start=START) for job in (A, B, C)]
    rows = [event for s in streams for event in (s[::-1] if newest_first else s)]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines(rows))])
        assert jobs(lake) == {j: ids(s) for j, s in zip((A, B, C), streams, strict=True)}


def test_pages_one_after_another(tmp_path: Path) -> None:
    """Pages of one file are streams of their own; those that share an event are one job."""
    one, two = job_events(A, 6), job_events(B, 6, start=START + 50)
    texts = [json.dumps(page(part)) for part in (one[2:], one[:3], two)]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.json", "\n".join(texts))])
        assert jobs(lake) == {A: ids(one), B: ids(two)}
        assert told(lake) == [(A, "creation"), (A, "shared"), (B, "creation")]


def test_pages_on_lines(tmp_path: Path) -> None:
    """Pages that stand on lines among events are streams of their own."""
    one, two = job_events(A, 4), job_events(B, 4, start=START + 50)
    text = lines(one) + json.dumps(page(two)) + "\n" + json.dumps(EXCHANGE) + "\n"
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", text)])
        assert jobs(lake) == {A: sorted({*ids(one), *ids(NAMELESS)}), B: ids(two)}


def test_pages_of_two_jobs_polled_in_turn(tmp_path: Path) -> None:
    """In a log of newest-first pages none of another job counts as the last one created."""
    of_a, of_b = job_events(A, 8), job_events(B, 8, start=START + 100)
    log = of_a[3::-1] + of_b[3::-1] + of_a[:3:-1] + of_b[:3:-1]
    path = put(tmp_path / "log.jsonl", lines(log))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        found = jobs(lake)
        assert (found.pop(A), found.pop(B)) == (ids(of_a[:4]), ids(of_b[:4]))
        assert [name[:13] for name in found] == [UNATTRIBUTED_PREFIX]
        lake.ingest([put(tmp_path / f"{job}.jsonl", lines(e)) for job, e in ((A, of_a), (B, of_b))])
        assert (jobs(lake)[A], jobs(lake)[B]) == (ids(of_a), ids(of_b))


def nightly(nights: list[list[int]]) -> tuple[list[Events], list[Events]]:
    """Jobs one after another, and the pages, newest first, that each night adds to their log."""
    whole, pages = [], []
    for number, sizes in enumerate(nights):
        job = f"ftjob-{number:024}"
        events = job_events(job, sum(sizes), start=START + number * 1_000)
        for event in events:
            event["id"] = f"ftevent-{number:012}{event['created_at']:012}"
        whole.append(events)
        starts = [sum(sizes[:n]) for n in range(len(sizes))]
        pages += [events[at : at + n][::-1] for at, n in zip(starts, sizes, strict=True)]
    return whole, pages


@examples(4)
@given(
    nights=st.lists(
        st.tuples(st.integers(3, 5), st.lists(st.integers(1, 5), max_size=4)).map(
            lambda sizes: [sizes[0], *sizes[1]]
        ),
        min_size=2, max_size=3,
    ),
    block_bytes=st.sampled_from([300, 700, 2_000, 8 << 20]),
    lead=st.integers(0, 3),
)  # fmt: skip
@example(nights=[[4, 4], [4, 2]], block_bytes=8 << 20, lead=0)
@example(nights=[[3], [2]], block_bytes=300, lead=0)
@example(nights=[[3, 1, 1], [2], [3, 3]], block_bytes=300, lead=2)
@example(nights=[[3, 3], [4, 1], [3, 3]], block_bytes=700, lead=0)
def test_a_log_of_nights(nights: list[list[int]], block_bytes: int, lead: int) -> None:
    """A job that follows in a log of newest-first pages has its first page, no other its events;
    the first one has all of its own. All of it comes out the same if the log grows by the night."""
    whole, pages = nightly(nights)
    if lead:  # the end of a job whose creation the log does not hold
        older = job_events(A, lead, start=START - 500, created=False)
        pages.insert(0, older[::-1])
    with workplace() as folder, pytest.MonkeyPatch.context() as patch:
        all_are_large(patch, block_bytes)
        found = []
        for grows in (False, True):
            path = folder / f"{grows}.jsonl"
            with open_lake(folder / f"lake {grows}") as lake:
                for night in range(1, len(pages) + 1) if grows else [len(pages)]:
                    lake.ingest([put(path, lines([e for page in pages[:night] for e in page]))])
                found.append(jobs(lake))
    assert found[0] == found[1]
    for number, (events, sizes) in enumerate(zip(whole, nights, strict=True)):
        own = found[0][f"ftjob-{number:024}"]
        assert set(own) <= set(ids(events))
        assert set(own) >= set(ids(events if number == 0 else events[: sizes[0]]))


def test_pages_between_creations_may_be_of_any(tmp_path: Path) -> None:
    """Of two jobs that were created, pages above the third one's tell not of which they are."""
    of = [job_events(job, 8, start=START + 100 * n) for n, job in enumerate((A, B, C))]
    log = of[0][3::-1] + of[1][3::-1] + of[1][:3:-1] + of[2][3::-1]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "log.jsonl", lines(log))])
        found = jobs(lake)
        assert [found.pop(job) for job in (A, B, C)] == [ids(events[:4]) for events in of]
        ((job, events),) = found.items()
        assert job.startswith(f"{UNATTRIBUTED_PREFIX}mixed-")
        assert events == ids(of[1][4:])


def polled(*turns: tuple[str, int, int]) -> Events:
    """A log of newest-first pages: of each job its first events, then pages of (job, from, to)."""
    of = {job: job_events(job, 9, start=START + 100 * n) for n, job in enumerate((A, B, C))}
    named = dict.fromkeys(job for job, *_ in turns)
    pages = [of[job][3::-1] for job in named] + [of[j][low:high][::-1] for j, low, high in turns]
    return [event for page in pages for event in page]


@examples(2)
@given(
    turns=st.lists(
        st.tuples(st.sampled_from((A, B, C)), st.integers(4, 6), st.integers(7, 9)),
        min_size=2, max_size=5,
    ),
    dumps=st.lists(st.sampled_from("ABCab"), unique=True, min_size=1, max_size=3),
    order=st.randoms(use_true_random=False),
)  # fmt: skip
@example(turns=[(A, 4, 9), (B, 4, 9)], dumps=["A"], order=random.Random(0))
@example(turns=[(A, 4, 9), (B, 4, 9)], dumps=["b", "B"], order=random.Random(1))
def test_a_log_of_several_jobs_gives_none_the_other_ones_events(
    turns: list[tuple[str, int, int]], dumps: list[str], order: random.Random
) -> None:
    """Whatever dumps arrive beside it, whole or nameless, and in whatever order."""
    whole = {"A": job_events(A, 9), "B": job_events(B, 9, start=START + 100),
             "C": job_events(C, 9, start=START + 200)}  # fmt: skip
    files = {"log": polled(*turns)} | {
        name: whole[name] if name.isupper() else whole[name.upper()][4:] for name in dumps
    }
    with workplace() as folder:
        paths = [put(folder / f"{name}.jsonl", lines(rows)) for name, rows in files.items()]
        found = []
        for attempt in range(2):
            with open_lake(folder / f"lake {attempt}") as lake:
                for path in paths:
                    lake.ingest([path])
                found.append(jobs(lake))
                for job, events in found[-1].items():
                    if not job.startswith(UNATTRIBUTED_PREFIX):
                        assert {event.split("-")[1][0] for event in events} == {job[-1]}
            order.shuffle(paths)
        assert found[0] == found[1]


def test_a_log_of_several_jobs_comes_out_as_it_was(tmp_path: Path) -> None:
    """Its unattributed end is that in an export too: none adopts it, until it is assigned."""
    log = put(tmp_path / "log.jsonl", lines(polled((A, 4, 9), (B, 4, 9))))
    dump = put(tmp_path / "dump.jsonl", lines(job_events(A, 9)))
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "again") as again:
        lake.ingest([log])
        again.ingest([put(tmp_path / "out.jsonl", "\n".join(lake.export_events()))])
        assert jobs(again) == jobs(lake)
        for each in (lake, again):
            each.ingest([dump])
        assert jobs(again) == jobs(lake)
        assert {job[:19]: len(found) for job, found in jobs(lake).items()} == {
            A[:19]: 9, B[:19]: 4, f"{UNATTRIBUTED_PREFIX}mixed-": 10
        }  # fmt: skip
        assert lake.assign(str(log), B) == 10
        assert {job: len(found) for job, found in jobs(lake).items()} == {A: 9, B: 14}


@pytest.mark.parametrize("order", ["log dump replay", "dump log replay", "log replay dump"])
def test_a_log_of_several_jobs_has_no_evidence_in_its_rejects(tmp_path: Path, order: str) -> None:
    """What passes a replay tells no more of whose its unattributed end is than the others do."""
    of_a, log = job_events(A, 9), polled((A, 4, 9), (B, 4, 9))
    for event in [e for e in (*of_a, *log) if e["id"] == of_a[6]["id"]]:
        event["message"] = "x" * 3_000
    with open_lake(tmp_path / "lake") as lake:
        for what in order.split():
            if what == "replay":
                assert lake.replay_rejects().passed == 1
            else:
                path = put(tmp_path / f"{what}.jsonl", lines(log if what == "log" else of_a))
                lake.ingest([path], max_record_bytes=1_000 if what == "log" else 10_000)
        found = jobs(lake)
    assert (found[A], len(found[B]), len(found)) == (ids(of_a), 4, 3)


def azure(events: Events, *, metrics: bool) -> Events:
    """Events with Azure's ids: those of metrics are their time twice, so tell no job."""
    for event in events:
        ticks = f"{(event['created_at'] + 62_135_596_800) * 10**7:015x}"
        digest = xxhash.xxh3_128_hexdigest(json.dumps(event).encode())
        event["id"] = f"ftevent-0{ticks}{ticks}0" if metrics else f"ftevent-{digest}"
    return events


def azure_job(number: int, *, start: int, count: int = 5) -> Events:
    """The events of a job of Azure, oldest first: its metrics' ids are those of any other's."""
    events = job_events(A, count, start=start, created=False)
    events[0]["message"] = "Job enqueued. Waiting for jobs ahead to complete."
    azure(events, metrics=True)
    for event in (events[0], events[-1]):
        event["id"] = f"ftevent-{xxhash.xxh3_128_hexdigest(f'{number} {event}'.encode())}"
    for event in events[1:-1]:
        event["data"] = {"step": 1, "train_loss": float(number)}
    return events


@pytest.mark.parametrize("block_bytes", [300, 1_000, 8 << 20])
@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest first", "newest first"])
@pytest.mark.parametrize("form", ["x.jsonl", "x.json"])
@pytest.mark.parametrize("before", [True, False])
def test_jobs_of_azure_one_after_another(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    newest_first: bool,
    form: str,
    block_bytes: int,
    before: bool,
) -> None:
    """Each begins where it was enqueued, though that names no job; times are no ids of theirs."""
    all_are_large(monkeypatch, block_bytes)
    own = [job_events(A)] if before else []
    others = [azure_job(n, start=START + 100) for n in range(2)]
    rows = [e for s in (*own, *others) for e in (s[::-1] if newest_first else s)]
    path = put(tmp_path / form, lines(rows) if form == "x.jsonl" else rows)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        found = jobs(lake)
        assert found.pop(A, []) == (ids(job_events(A)) if before else [])
        assert all(job.startswith(UNATTRIBUTED_PREFIX) for job in found)
        assert sorted(found.values()) == sorted(map(ids, others))
        assert asked(lake).execute("from lake_variants").fetchall() == []


@pytest.mark.parametrize("known", [True, False])
def test_jobs_of_azure_in_a_log_that_grows(tmp_path: Path, known: bool) -> None:
    """What may be of several jobs is one's own when the log goes on to where that job begins."""
    one, two = azure_job(1, start=START), azure_job(2, start=START + 100)
    rows, found = two[::-1] + one[::-1], []
    dump = put(tmp_path / f"{A}.jsonl", lines(one[2:]))
    for cuts in ([], [7], [7, 9]):
        with open_lake(tmp_path / f"lake {len(cuts)}") as lake:
            for cut in [*cuts, len(rows)]:
                lake.ingest([put(tmp_path / f"{len(cuts)}.jsonl", lines(rows[:cut]))])
            if known:
                lake.ingest([dump])
            found.append(jobs(lake))
            assert lake.verify().findings == []
    assert sorted(found[0].values()) == sorted([ids(one), ids(two)])
    assert found[1:] == found[:1] * 2 and (A in found[0]) is known


@pytest.mark.parametrize("block_bytes", [300, 1_000, 8 << 20])
@pytest.mark.parametrize("turns", [1, 3])
@pytest.mark.parametrize("named_first", [True, False])
def test_ids_of_two_forms_are_of_two_jobs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    block_bytes: int,
    turns: int,
    named_first: bool,
) -> None:
    """Events of Azure are none of OpenAI's job, also polled in turn, with pages on lines."""
    all_are_large(monkeypatch, block_bytes)
    of_a, of_azure = job_events(A, 6), azure_job(1, start=START)[1:]
    of_azure[1]["id"] = f"ftevent-{'3' * 32}"
    between = page([{**event, "id": f"{event['id']}0"} for event in job_events(B)])
    rows: Events = []
    for turn in range(turns):
        pieces = [of_a[turn::turns], of_azure[turn::turns]]
        rows += [e for piece in (pieces if named_first else pieces[::-1]) for e in piece]
        rows.append(between)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines(rows))])
        found = jobs(lake)
        assert (found.pop(A), len(found.pop(B))) == (ids(of_a), 5)
        assert all(job.startswith(UNATTRIBUTED_PREFIX) for job in found)
        assert sorted(e for events in found.values() for e in events) == ids(of_azure)


@pytest.mark.parametrize("grows", [True, False])
def test_other_ids_in_the_midst_of_a_small_file(tmp_path: Path, grows: bool) -> None:
    """Events of Azure between a job's are none of it, though both ends of the file are."""
    rows, of_azure = job_events(A, 6), azure_job(1, start=START)[1:]
    inner = put(tmp_path / "dumps" / "x.jsonl", lines([*rows[:3], *of_azure, rows[3]]))
    put(tmp_path / "dumps" / "w.jsonl", lines(job_events(B)))
    put(tmp_path / "dumps" / "y.jsonl", lines(azure_job(2, start=START + 100)))
    with open_lake(tmp_path / "lake") as lake:
        if grows:
            lake.ingest([inner.parent])
        put(inner, lines([*rows[:3], *of_azure, *rows[3:]]))
        lake.ingest([inner.parent])
        found = jobs(lake)
    assert (found.pop(A), found.pop(B)) == (ids(rows), ids(job_events(B)))
    assert sorted(map(sorted, found.values())) == sorted(
        map(ids, (of_azure, azure_job(2, start=START + 100)))
    )


def test_jobs_of_azure_below_an_object(tmp_path: Path) -> None:
    """A job object tells of the first of them, also read again and again, and of no other."""
    one, two = azure_job(1, start=START), azure_job(2, start=START + 100)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest(
            [put(tmp_path / "x.jsonl", lines([JOB_OBJECT, CHECKPOINT, *one[:3], *one, *two]))]
        )
        found = jobs(lake)
        assert found.pop(A) == ids(one) and list(found.values()) == [ids(two)]
    with open_lake(tmp_path / "named") as lake:
        lake.ingest([put(tmp_path / f"{A}.jsonl", lines([*one[:3], *one]))])
        assert jobs(lake) == {A: ids(one)} and told(lake) == [(A, "name")]


def test_times_as_ids_link_nothing(tmp_path: Path) -> None:
    """Azure's ids of metrics events, which two jobs can share, link no stream to a job."""
    named = azure(job_events(A), metrics=True)
    loose = azure(job_events(B, created=False)[1:], metrics=True)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "a.jsonl", lines(named))])
        lake.ingest([put(tmp_path / "b.jsonl", lines(loose))])
        found = jobs(lake)
    assert found.pop(A) == ids(named)
    ((job, events),) = found.items()
    assert job.startswith(UNATTRIBUTED_PREFIX) and events == ids(loose)


@examples(6)
@given(
    chosen=st.lists(st.sets(st.integers(0, 7), min_size=1, max_size=4), min_size=2, max_size=4),
    named=st.sets(st.integers(4, 7), max_size=2),
    order=st.permutations(range(5)),
    together=st.booleans(),
)
@example(chosen=[{0, 1}, {0, 2, 5}], named={5}, order=[0, 1, 2], together=False)
@example(chosen=[{1, 2}, {1, 6}, {0, 6}], named=set(), order=[0, 1, 2, 3], together=False)
def test_times_as_ids_need_no_order(
    chosen: list[set[int]], named: set[int], order: list[int], together: bool
) -> None:
    """Streams of them alone are one job if they begin alike, whoever else does, in any order."""
    of_time, of_one = (azure(job_events(A, 5, created=False), metrics=m) for m in (True, False))
    events = [*of_time[:4], *of_one]
    picked = [[events[n] for n in sorted(some)] for some in [*chosen, {*named, 8}]]
    parts = [sorted(part, key=lambda event: event["created_at"]) for part in picked]
    links = [[event for event in part if event in of_one] or part[:1] for part in parts]
    wanted = sorted(
        sorted({i for part, link in zip(parts, links, strict=True) if link[0]["id"] in group
                for i in ids(part)})
        for group in grouped(links)
    )  # fmt: skip
    with workplace() as folder:
        paths = [put(folder / f"{n}.jsonl", lines(part)) for n, part in enumerate(parts)]
        paths[-1] = paths[-1].rename(folder / f"{A}.jsonl")
        arriving = [paths[n] for n in order if n < len(paths)]
        with open_lake(folder / "lake") as lake, open_lake(folder / "again") as again:
            for some in [arriving] if together else [[path] for path in arriving]:
                lake.ingest(some)
            found = jobs(lake)
            again.ingest([put(folder / "out.jsonl", "\n".join(lake.export_events()))])
            assert jobs(again) == found
        assert sorted(found.values()) == wanted
        assert of_one[4]["id"] in found[A]
        assert len([job for job in found if not job.startswith(UNATTRIBUTED_PREFIX)]) == 1


def test_azure_ids_of_messages_link(tmp_path: Path) -> None:
    """Azure's ids of other events are unique, so they link."""
    named = azure(job_events(A), metrics=False)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "b.jsonl", lines(named[2:]))])
        lake.ingest([put(tmp_path / "a.jsonl", lines(named))])
        assert jobs(lake) == {A: ids(named)}


def test_unattributed(tmp_path: Path) -> None:
    """Events that nothing names are kept as a job of their own, the same from any file."""
    names = []
    for name, content in (("one/x.jsonl", lines(NAMELESS)), ("two/y.json", page(NAMELESS))):
        path = put(tmp_path / name, content)
        with open_lake(path.parent / "lake") as lake:
            lake.ingest([path])
            ((job, events),) = jobs(lake).items()
            assert events == ids(NAMELESS)
            assert len(lake.view("unattributed_events")) == 5
            assert told(lake) == [(job, "unknown")]
            names.append(job)
    assert names[0] == names[1] and names[0].startswith(UNATTRIBUTED_PREFIX)


NOBODY = f"{UNATTRIBUTED_PREFIX}b1a2"
NOBODYS = {"object": "fine_tuning.job", "id": NOBODY}


@pytest.mark.parametrize(
    "content",
    [
        lines([{**event, "fine_tuning_job_id": NOBODY} for event in NAMELESS]),
        lines([NOBODYS | JOB_OBJECT | {"id": NOBODY}, *NAMELESS]),
        lines([NOBODYS, *NAMELESS]),
        lines(job_events(NOBODY)),
        [NOBODYS, *NAMELESS],
        {"fine_tuning_job_id": NOBODY, "data": NAMELESS},
        {**CHECKPOINT, "fine_tuning_job_id": NOBODY, "metrics": {"step": 1}, "events": NAMELESS},
        {"id": "evt_1", "type": "fine_tuning.job.failed", "data": {"id": NOBODY}, "of": NAMELESS},
        lines([{"object": "tunelog.result", "job_id": NOBODY, "step": 1, "x": 1}, *NAMELESS]),
    ],
)
def test_no_document_names_nobody(tmp_path: Path, content: Any) -> None:
    """A name for events whose job nothing tells is no job's, whatever tells it; an export that
    holds it says the same again, even where it stands in a list with another job's."""
    path = put(tmp_path / "x", content)
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "again") as again:
        lake.ingest([path])
        wanted = jobs(lake)
        ((job, events),) = wanted.items()
        assert job.startswith(UNATTRIBUTED_PREFIX) and job != NOBODY
        assert len(events) == len(NAMELESS) and told(lake) == [(job, "unknown")]
        assert (NOBODY,) not in asked(lake).execute("select job_id from jobs").fetchall()
        exported = [*map(json.loads, lake.export_events())]
        again.ingest([put(tmp_path / "exported.jsonl", lines(exported))])
        assert jobs(again) == wanted
        again.ingest([put(tmp_path / "list.json", [*exported, JOB_OBJECT])])
        assert jobs(again) == wanted


HALF = "ftjob-\ud800"


@pytest.mark.parametrize(
    "content",
    [
        lines([{**event, "job_id": HALF} for event in NAMELESS]),
        lines([JOB_OBJECT | {"id": HALF}, *NAMELESS]),
        [JOB_OBJECT | {"id": HALF}, *NAMELESS],
        {"fine_tuning_job_id": HALF, "data": NAMELESS},
        {"checkpoints": [CHECKPOINT | {"fine_tuning_job_id": HALF}], "events": NAMELESS},
    ],
)
def test_an_id_that_no_text_can_store(tmp_path: Path, content: Any) -> None:
    """Half a surrogate pair in what would name a job names none, and keeps nothing else out."""
    other = put(tmp_path / "other.jsonl", lines(job_events(B)))
    with open_lake(tmp_path / "lake") as lake:
        report = lake.ingest([put(tmp_path / "x", content), other])
        assert not report.reject_count and not report.refused
        found = jobs(lake)
        assert found.pop(B) == ids(job_events(B))
        ((job, events),) = found.items()
        assert job.startswith(UNATTRIBUTED_PREFIX) and events == ids(NAMELESS)
        again = put(tmp_path / "exported.jsonl", "\n".join(lake.export_events()))
        assert not lake.ingest([again]).reject_count
        assert jobs(lake) == {B: ids(job_events(B)), job: events}


@pytest.mark.parametrize("order", [*list(permutations(range(3)))[1::2], None])
def test_unattributed_by_what_stays(tmp_path: Path, order: tuple[int, ...] | None) -> None:
    """A content that loses names no job, in whatever order contents arrive: an export shows it."""
    first, *rest = NAMELESS
    early = {**first, "created_at": START - 9, "data": None}
    stays = {**first, "created_at": START - 5, "data": {"note": "more"}}
    twice = {**rest[0], "created_at": START - 7}  # of equal weight, less in its text
    parts = [[early, *rest], [stays, twice, rest[0]], [rest[1], *rest[2:]]]
    paths = [put(tmp_path / f"{n}.jsonl", lines(part)) for n, part in enumerate(parts)]
    with open_lake(tmp_path / "lake") as lake:
        for some in [[paths[n]] for n in order] if order else [paths]:
            lake.ingest(some)
        with open_lake(tmp_path / "plain") as plain:
            plain.ingest([put(tmp_path / "stays.jsonl", lines([stays, *rest]))])
            assert jobs(lake) == jobs(plain)


def test_adoption(tmp_path: Path) -> None:
    """A stream that arrives again under its job adopts the copy that had none."""
    whole = job_events(A, 8)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "late.jsonl", lines(whole[3:]))])
        assert [*jobs(lake)] != [A]
        lake.ingest([put(tmp_path / "early.jsonl", lines(whole[:4]))])
        assert jobs(lake) == {A: ids(whole)}
        assert told(lake) == [(A, "creation"), (A, "shared")]
        assert lake.view("unattributed_events").is_empty()


def test_variants_follow_their_job(tmp_path: Path) -> None:
    """Contents that lost while their job had no name are variants of the job that adopts it."""
    whole = job_events(A, 6)
    other = {**whole[4], "data": {"step": 4}}
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "0.jsonl", lines([*whole[3:], other]))])
        lake.ingest([put(tmp_path / "1.jsonl", lines([*whole, other]))])
        assert jobs(lake) == {A: ids(whole)}
        (variant,) = lake.view("variants").to_dicts()
        assert (variant["job_id"], json.loads(variant["event"])) == (A, whole[4])


def test_adoption_by_a_link(tmp_path: Path) -> None:
    """Nameless streams that share events are one job, and all get the name of any of them."""
    whole = job_events(A, 9)
    parts = [whole[5:], whole[3:6], whole[:4]]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "0.jsonl", lines(parts[0]))])
        lake.ingest([put(tmp_path / "1.jsonl", lines(parts[1]))])
        ((job, events),) = jobs(lake).items()
        assert job.startswith(UNATTRIBUTED_PREFIX) and events == ids(whole[3:])
        lake.ingest([put(tmp_path / "2.jsonl", lines(parts[2]))])
        assert jobs(lake) == {A: ids(whole)}


@examples(8)
@given(
    cuts=st.lists(st.tuples(st.integers(0, 9), st.integers(2, 6)), min_size=1, max_size=4),
    order=st.permutations(range(6)),
    together=st.booleans(),
    upside=st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_attribution_needs_no_order(
    cuts: list[tuple[int, int]], order: list[int], together: bool, upside: list[bool]
) -> None:
    """Streams find their job by shared events in whatever order they arrive."""
    whole, other = job_events(A, 12), job_events(B, 4, start=START + 500)
    parts = [whole[:3], *(whole[at : at + size] for at, size in cuts), other]
    wanted = grouped(parts[:-1])
    with workplace() as folder:
        paths = [
            put(folder / f"{n}.jsonl", lines(part[::-1] if upside[n] else part))
            for n, part in enumerate(parts)
        ]
        arriving = [paths[n] for n in order if n < len(paths)]
        with open_lake(folder / "lake") as lake:
            for batch in [arriving] if together else [[path] for path in arriving]:
                lake.ingest(batch)
            found = jobs(lake)
            assert found.pop(B) == ids(other)
            assert sorted(found.values()) == wanted
            assert found[A] == next(group for group in wanted if whole[0]["id"] in group)


def grouped(parts: list[Events]) -> list[list[str]]:
    """The ids of streams, those that share an id together."""
    groups: list[set[str]] = []
    for part in parts:
        group = {event["id"] for event in part}
        for other in [g for g in groups if g & group]:
            groups.remove(other)
            group |= other
        groups.append(group)
    return sorted(sorted(group) for group in groups)


def test_two_jobs_share_an_event(tmp_path: Path) -> None:
    """A nameless stream that shares events with two jobs is given to neither, however often one
    of them comes again."""
    one, two = job_events(A), job_events(B, start=START + 50)
    loose = [one[3], two[3]]
    for order in ("abcd", "bacd", "adbc"):
        folder = tmp_path / order
        contents = {"a": one[:4], "b": two, "c": loose, "d": one}
        with open_lake(folder / "lake") as lake:
            for name in order:
                lake.ingest([put(folder / f"{name}.jsonl", lines(contents[name]))])
            found = jobs(lake)
            assert (found.pop(A), found.pop(B)) == (ids(one), ids(two))
            assert [*found.values()] == [ids(loose)]


def test_what_is_of_neither_stands_between_none(tmp_path: Path) -> None:
    """What shares events with two jobs keeps no stream from the one job that it shares events
    with, and is one job with those that share its own."""
    one, two = job_events(A), job_events(B, start=START + 50)
    more = job_events(C, 4, created=False, start=START + 90)
    parts = {"x": [one[3], two[3], more[0]], "y": [one[4], more[1]], "z": [*two[1:2], *more[2:]]}
    parts["w"] = [more[0], {**more[0], "id": more[0]["id"][:-1] + "w"}]
    named = [put(tmp_path / f"{n}.jsonl", lines(part)) for n, part in enumerate((one, two))]
    loose = [put(tmp_path / f"{name}.jsonl", lines(part)) for name, part in parts.items()]
    for number, arriving in enumerate([*permutations(loose)][::5]):
        with open_lake(tmp_path / f"lake {number}") as lake:
            lake.ingest(named)
            for some in [[path] for path in arriving] if number else [list(arriving)]:
                lake.ingest(some)
            found = jobs(lake)
        assert found.pop(A) == ids([*one, more[1]])
        assert found.pop(B) == ids([*two, *more[2:]])
        assert [*found.values()] == [ids([*parts["x"], parts["w"][1]])]


@pytest.mark.parametrize("unique", [True, False])
def test_a_copy_of_two_jobs_files(tmp_path: Path, unique: bool) -> None:
    """One content under the names of two jobs, and under none, is of neither a third time."""
    rows = NAMELESS if unique else azure(job_events(A, created=False), metrics=True)
    paths = [put(tmp_path / name, lines(rows)) for name in (f"{A}.jsonl", f"{B}.jsonl", "x.jsonl")]
    for together in (True, False):
        with open_lake(tmp_path / f"lake {together}") as lake:
            for some in [paths] if together else [[path] for path in paths]:
                lake.ingest(some)
            found = jobs(lake)
            assert found.pop(A) == found.pop(B) == ids(rows)
            ((job, events),) = found.items()
            assert job.startswith(UNATTRIBUTED_PREFIX) and events == ids(rows)


def test_assign(tmp_path: Path) -> None:
    """Assign gives a source's nameless events to one job, by path or id, however often asked."""
    path = put(tmp_path / "x.jsonl", lines(NAMELESS))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        assert lake.assign(str(path), A) == 5
        assert jobs(lake) == {A: ids(NAMELESS)} and told(lake) == [(A, "assigned")]
        assert lake.assign(str(path), A) == 0
        assert jobs(lake) == {A: ids(NAMELESS)} and told(lake) == [(A, "assigned")]
        source = lake.view("sources")["source_id"][0]
        with pytest.raises(UsageError, match=f"belong to {A} already: add --force"):
            lake.assign(source, B)
        with pytest.raises(UsageError, match="nowhere: no such source"):
            lake.assign("nowhere", B)
        assert lake.assign(source, B, force=True) == 5
        assert jobs(lake) == {B: ids(NAMELESS)}


def test_assign_never_leaves_things_silently(tmp_path: Path) -> None:
    """Events given to a job by hand move on by force only, to a job of the source as to others."""
    rows = [*NAMELESS, *({**event, "job_id": B} for event in job_events(B, 9)[1:])]
    path = put(tmp_path / "x.jsonl", lines(rows))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        for _ in range(2):
            assert lake.assign(str(path), B) in (len(NAMELESS), 0)
        assert jobs(lake).keys() == {B}
    with open_lake(tmp_path / "other") as lake:
        lake.ingest([path])
        assert lake.assign(str(path), A) == len(NAMELESS)
        with pytest.raises(UsageError, match=f"belong to {A}, {B} already: add --force"):
            lake.assign(str(path), B)
        assert jobs(lake).keys() == {A, B}
        assert lake.assign(str(path), B, force=True) == len(NAMELESS)
        assert jobs(lake).keys() == {B}


def test_assign_moves_what_the_source_told(tmp_path: Path) -> None:
    """A slip is mended: events that a wrong --job-id mixed with a job's own are parted again."""
    stray = [{**event, "id": f"{event['id']}-stray"} for event in NAMELESS]
    fuller = {**job_events(A)[3], "data": {"step": 3, "train_loss": 0.5}}
    own = put(tmp_path / "a.jsonl", lines([*job_events(A), fuller]))
    slip = put(tmp_path / "b.jsonl", lines([*stray, {**stray[2], "data": {"step": 1}}]))
    rows = "2.csv"
    put(tmp_path / rows, "step,train_loss\n1,0.5\n")
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([own])
        lake.ingest([slip, tmp_path / rows], job_id=A)
        assert jobs(lake) == {A: sorted(ids(job_events(A)) + ids(stray))}
        assert lake.assign(str(slip), B, force=True) == len(stray)
        assert jobs(lake) == {A: ids(job_events(A)), B: ids(stray)}
        assert sorted(lake.view("variants")["job_id"]) == [A, B]
        assert lake.view("companions")["job_id"].to_list() == [A]
        assert lake.verify().findings == []
        lake.compact(keep_hours=0)
        assert lake.ingest([slip], job_id=A).sources[0].status == "known"
        assert lake.assign(str(tmp_path / rows), B, force=True) == 0
        assert lake.view("companions")["job_id"].to_list() == [B]
        assert lake.assign(str(slip), A, force=True) == len(stray)
        assert jobs(lake) == {A: sorted(ids(job_events(A)) + ids(stray))}
        assert lake.verify().findings == []


@pytest.mark.parametrize("fuller", ["own", "slip"])
def test_assign_parts_equal_ids(tmp_path: Path, fuller: str) -> None:
    """Of two jobs with equal ids each has its contents again, whichever lost under one of them."""
    contents = {}
    for name in ("own", "slip"):
        rows = azure(job_events(A, created=False), metrics=True)
        for step, row in enumerate(rows):
            row["data"] = {"step": step, "train_loss": len(name) + step}
            row["data"] |= {"valid_loss": 1.0} if name == fuller else {}
        contents[name] = rows
    own, slip = (put(tmp_path / f"{n}.jsonl", lines(rows)) for n, rows in contents.items())
    query = "select job_id, step, train_loss from events order by all"
    with open_lake(tmp_path / "right") as lake:
        lake.ingest([own], job_id=A)
        lake.ingest([slip], job_id=B)
        wanted = lake.sql(query).rows()
    with open_lake(tmp_path / "mended") as lake:
        for path in (own, slip):
            lake.ingest([path], job_id=A)
        assert len(lake.view("variants")) == len(contents["own"])
        assert lake.assign(str(slip), B, force=True) == len(contents["slip"])
        assert lake.sql(query).rows() == wanted and lake.view("variants").is_empty()
        assert lake.view("sources")["events"].to_list() == [len(contents["own"])] * 2
        assert lake.verify().findings == []
        assert lake.assign(str(slip), A, force=True) == len(contents["slip"])
        assert len(lake.view("variants")) == len(contents["own"])
        assert lake.verify().findings == []


def test_assign_of_what_is_all_rejects(tmp_path: Path) -> None:
    """A source of which nothing was an event yet can be given to a job; a replay heeds that."""
    path = put(tmp_path / "x.jsonl", lines(NAMELESS))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path], max_record_bytes=10)
        assert lake.assign(str(path), A) == 0
        lake.replay_rejects()
        assert jobs(lake) == {A: ids(NAMELESS)}


def test_assign_finds_a_file_by_any_of_its_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source is called by its path as it was given, or by another path of the same file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    put(tmp_path / "d" / "x_1.jsonl", lines(NAMELESS))
    put(tmp_path / "d" / "xy1.jsonl", lines(NAMELESS[1:]))
    for number, (read, called) in enumerate(
        [
            ("d", tmp_path / "d" / "x_1.jsonl"),
            ("d", "./d/../d/x_1.jsonl"),
            (tmp_path / "d", "d/x_1.jsonl"),
            ("d", "x_1.jsonl"),
        ]
    ):
        with open_lake(tmp_path / f"lake {number}") as lake:
            lake.ingest([read])
            assert lake.assign(str(called), A) == len(NAMELESS)


@pytest.mark.parametrize(
    "text", ["", "not a job", "a\nb", "a\tb", "a\u2003b", "\x1b[2J", "a\u202eb", NOBODY]
)
def test_what_is_no_job_id(tmp_path: Path, text: str) -> None:
    """A job id has no white space and nothing that cannot be printed, and names somebody."""
    says = "no job id: .*: give the id" if text == NOBODY else "no job id: give one without white"
    path = put(tmp_path / "x.jsonl", lines(NAMELESS))
    with open_lake(tmp_path / "lake") as lake:
        with pytest.raises(UsageError, match=says):
            lake.ingest([path], job_id=text)
        lake.ingest([path])
        with pytest.raises(UsageError, match=says):
            lake.assign(str(path), text)


def test_assign_joins_what_the_job_has(tmp_path: Path) -> None:
    """Events assigned to a job that has them already become duplicates of its own."""
    named = azure(job_events(A), metrics=True)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "a.jsonl", lines(named))])
        path = put(tmp_path / "b.jsonl", lines(named[2:]))
        lake.ingest([path])
        assert len(jobs(lake)) == 2
        lake.assign(str(path), A)
        assert jobs(lake) == {A: ids(named)}
        rows = {Path(row["path"]).name: row for row in lake.view("sources").to_dicts()}
    assert (rows["b.jsonl"]["events"], rows["b.jsonl"]["duplicates"]) == (0, 3)


def test_job_field_of_an_event(tmp_path: Path) -> None:
    """A job id field in an event decides over the stream's other evidence."""
    rows = [*job_events(A, 3), *({**event, "job_id": B} for event in NAMELESS)]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines(rows))])
        assert {job: len(found) for job, found in jobs(lake).items()} == {A: 3, B: 5}


@pytest.mark.parametrize("job", [B, "0", "1", "my job"])
def test_job_fields_in_a_page(tmp_path: Path, job: str) -> None:
    """Events that name another job than their newest-first page are a stream of its direction."""
    rows = job_events(A, 6)
    rows[2:4] = [{**event, "job_id": job} for event in rows[2:4]]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.json", page(rows))])
        assert {name: len(found) for name, found in jobs(lake).items()} == {A: 4, job: 2}
        query = "select job_id, newest_first from lake_streams order by all"
        assert sorted(lake.sql(query).rows()) == sorted([(A, True), (job, True)])


def test_a_job_inside_an_event(tmp_path: Path) -> None:
    """A job object in an event's payload says nothing of the lines below."""
    rows = job_events(A, 6)
    rows[2]["data"] = {"job": {"object": "fine_tuning.job", "id": B}}
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines(rows))])
        assert jobs(lake) == {A: ids(rows)}


MOVED = {
    "flag": [("x.jsonl", lines(job_events(A)))],
    "fields": [("x.jsonl", lines([{**event, "job_id": A} for event in NAMELESS]))],
    "two": [("x.jsonl", lines(job_events(A) + job_events(C, start=START + 90)))],
    "unattributed": [("x.jsonl", lines(NAMELESS)), ("y.jsonl", lines(job_events(C)))],
}


@pytest.mark.parametrize("job", [B, "my-job"])
@pytest.mark.parametrize("kind", MOVED)
def test_an_export_names_jobs_beyond_doubt(tmp_path: Path, kind: str, job: str) -> None:
    """Read again, an export gives each job its events, also those it was given by force."""
    paths = [put(tmp_path / name, content) for name, content in MOVED[kind]]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest(paths)
        if kind != "unattributed":
            lake.assign(str(paths[0]), job, force=True)
        wanted, out = jobs(lake), "\n".join(lake.export_events())
    with open_lake(tmp_path / "again") as lake:
        assert not lake.ingest([put(tmp_path / f"{C}.jsonl", out)]).reject_count
        assert jobs(lake) == wanted


ARRANGED = st.lists(
    st.tuples(
        st.integers(2, 30),  # events of the job
        st.sampled_from(["up", "up", "up", "down", "shuffled"]),
        st.sampled_from(["created", "created", "nameless", "object before", "object behind"]),
    ),
    min_size=1,
    max_size=6,
)


PLACED = ("events", "lake_streams")


def all_are_large(patch: pytest.MonkeyPatch, block_bytes: int) -> None:
    """Let every file be too large to be kept, and be cut into blocks of so many bytes."""
    patch.setattr(version, "SMALL_BYTES", 1)
    patch.setitem(reading._CUT, "lines", partial(line_blocks, block_bytes=block_bytes))


SAME_SECOND = [{**event, "created_at": START} for event in job_events(A, 12)]
LATE = {
    "creation": ([*SAME_SECOND[1:], SAME_SECOND[0]], {A: ids(SAME_SECOND)}),
    "creation in between": (
        [job_events(A, 6)[n] for n in (1, 3, 0, 5, 2, 4)],
        {A: ids(job_events(A, 6))},
    ),
    "object": (
        [*job_events(A, 12), {"object": "fine_tuning.job", "id": B}, *job_events(B)[1:]],
        {A: ids(job_events(A, 12)), B: ids(job_events(B)[1:])},
    ),
}


@pytest.mark.parametrize("kind", LATE)
def test_told_after_it_was_read(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only the end of a large file tells of its jobs holds for what was read before, too."""
    rows, wanted = LATE[kind]
    all_are_large(monkeypatch, 300)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines(rows))])
        assert jobs(lake) == wanted


@examples(10)
@given(parts=ARRANGED, block_bytes=st.sampled_from([300, 1_000, 5_000]), seed=st.integers(0, 9))
def test_read_on_sight(parts: list[tuple[int, str, str]], block_bytes: int, seed: int) -> None:
    """A large file is read once where that tells its jobs, and whatever is in it, told the same."""
    rows: Events = []
    for number, (count, order, named) in enumerate(parts):
        job = f"ftjob-{number:024d}"
        start = START + 10_000 * number
        some = job_events(job, count, start=start, created=named == "created")
        if order != "up":
            some = some[::-1]
        if order == "shuffled":
            random.Random(seed).shuffle(some)
        beside = {"object": "fine_tuning.job", "id": job}
        before, behind = named == "object before", named == "object behind"
        rows += [beside] * before + some + [beside] * behind
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = put(Path(folder) / "x.jsonl", lines(rows))
        all_are_large(patch, block_bytes)
        seen = []
        for on_sight in (True, False):
            patch.setattr(reading.Reading, "is_large", on_sight)
            with open_lake(Path(folder) / f"lake-{on_sight}") as lake:
                lake.ingest([path])
                con = asked(lake)
                seen.append([con.sql(f"from {name} order by all").pl() for name in PLACED])
        assert len(seen[0][0]) == sum(count for count, *_ in parts)
        for here, there in zip(*seen, strict=True):
            assert_frame_equal(here, there)


def test_a_long_list_of_job_objects_costs_no_memory() -> None:
    """Of thousands of job objects below one another no line keeps the names of all above it."""
    told = "".join(
        f'{{"object": "fine_tuning.job", "id": "ftjob-{n:024}"}}\n' for n in range(4_000)
    )
    block = lines_of(told.replace("}", ', "model": "m"}').encode(), 1_000)
    scout = Scout(lines=True)
    tracemalloc.start()
    try:
        scout.see(block)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert {stream.job for stream in scout.streams()[1:]} == {None}
