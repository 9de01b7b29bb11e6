"""From files to events: what a source brings, whatever form it has."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from engine import asked
from test_laws import sound

from pipeline import open_lake
from pipeline.lake import settle

JOB = f"ftjob-{'A' * 24}"


def event(number: int, **fields: Any) -> dict[str, Any]:
    """An event of a job, the first its creation message."""
    message = (
        f"Step {number}/9: training loss=0.50" if number else f"Created fine-tuning job: {JOB}"
    )
    return {
        "object": "fine_tuning.job.event",
        "id": f"ftevent-{number:024}",
        "created_at": 1_700_000_000 + number,
        "level": "info",
        "message": message,
        "type": "metrics" if number else "message",
        "data": {"step": number, "train_loss": 0.5} if number else {},
    } | fields


def page(*numbers: int) -> dict[str, Any]:
    """A list page of events, newest first."""
    return {"object": "list", "data": [event(n) for n in reversed(numbers)], "has_more": False}


def exchange(body: Any, job: str = JOB) -> dict[str, Any]:
    """A recorded HTTP exchange; its body is a string."""
    return {
        "request": {"uri": f"https://api.openai.com/v1/fine_tuning/jobs/{job}/events"},
        "response": {"status": 200, "body": {"string": json.dumps(body)}},
    }


def test_new_are_events_that_the_lake_held_in_no_copy(tmp_path: Path) -> None:
    """A copy that wins over the lake's is reported as a duplicate; the ledger counts it as held."""
    spaced = [event(n, data={"step": n, "train_loss": 0.5}) for n in range(4)]
    fuller = [event(n, data={"train_loss": 0.5, "step": n, "x": 1}) for n in (2, 3, 4)]
    turned = [{**event(n), "data": {"train_loss": 0.5, "step": n}} for n in range(4)]
    with open_lake(tmp_path / "lake") as lake:
        told = []
        for name, rows in (("a", turned), ("b", spaced), ("c", fuller), ("d", turned[::-1])):
            (tmp_path / f"{name}.json").write_text(json.dumps({"job_id": JOB, "data": rows}))
            (source,) = lake.ingest([tmp_path / f"{name}.json"]).sources
            told.append((source.events, source.duplicates))
        assert told == [(4, 0), (0, 4), (1, 2), (0, 4)]
        assert sum(new for new, _ in told) == len(lake.view("events"))
        counts = lake.view("sources").select("path", "events", "duplicates").sort("path").rows()
        assert [row[1:] for row in counts] == [(0, 4), (2, 2), (3, 0), (0, 4)]
        assert not lake.verify().findings


@pytest.mark.parametrize("turned", [False, True])
def test_new_are_no_events_that_had_no_name(tmp_path: Path, turned: bool) -> None:
    """A dump that names the job of what the lake held reports it as known, whoever's copy stays."""
    rows = [event(n) for n in range(1, 5)]
    others = [{**event(n), "data": {"train_loss": 0.5, "step": n}} for n in range(1, 6)]
    nameless, named = (others[:4], [*rows, event(5)]) if turned else (rows, others)
    (tmp_path / "x.jsonl").write_text(lines(*nameless))
    (tmp_path / f"{JOB}.jsonl").write_text(lines(*named))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path / "x.jsonl"])
        (source,) = lake.ingest([tmp_path / f"{JOB}.jsonl"]).sources
        assert (source.events, source.duplicates) == (1, 4)
        assert lake.view("events")["job_id"].to_list() == [JOB] * 5


@pytest.mark.parametrize("line", [False, True], ids=["document", "on a line"])
def test_repeats_inside_a_recorded_body(tmp_path: Path, line: bool) -> None:
    """An event twice in one recorded body costs none of the other events of that body."""
    body = page(0, 1, 2, 3)
    body["data"].append(body["data"][1])
    texts = [json.dumps(exchange(body))]
    if line:
        texts.insert(0, json.dumps(event(4)))
    (tmp_path / "dump").write_text("\n".join(texts))
    with open_lake(tmp_path / "lake") as lake:
        (source,) = lake.ingest([tmp_path / "dump"]).sources
        assert (source.events, source.duplicates) == (4 + line, 1)
        assert sorted(lake.view("events")["event_id"]) == [event(n)["id"] for n in range(4 + line)]


LONG = [event(n) for n in range(12)]


def lines(*values: Any) -> str:
    """Values as JSON lines."""
    return "".join(json.dumps(value) + "\n" for value in values)


@pytest.mark.parametrize(
    "parts",
    [
        (lines(*LONG[:3]), lines(*LONG[3:])),
        (lines(*LONG[:3]), lines(LONG[3]), lines(*LONG[4:])),
        (lines(*LONG[:3])[:-1], "\n" + lines(*LONG[3:])),
        (lines(*LONG[:3])[:-30], lines(*LONG[:3])[-30:] + lines(*LONG[3:])),
        (lines(*LONG[:3])[:-30], lines(*LONG[:3])[-30:-10], lines(*LONG[:3])[-10:], lines(LONG[3])),
        (lines(*LONG[:3]).replace("\n", "\r\n"), lines(*LONG[3:])),
        (lines(*LONG[:3]) + "\n\n", "\n" + lines(*LONG[3:])),
        (lines(LONG[0], page(1, 2, 3)), lines(*LONG[4:]), lines(page(3, 4), LONG[5])),
        (lines(*LONG[:3]) + "{oops}\n", lines(LONG[3]) + "{oops}\n"),
        ("\ufeff" + lines(*LONG[:3]), lines(*LONG[3:])),
        (lines(*LONG[:2], LONG[1]), lines(LONG[0], LONG[2])),
        (lines(*LONG[:2], {"messages": []}), lines({"messages": []}, {"object": "file"})),
    ],
    ids=["lines", "twice", "no last break", "cut off", "cut off twice", "CRLF", "blank lines",
         "pages on lines", "rejects", "BOM", "repeats", "ignored"],
)  # fmt: skip
def test_a_file_that_grows(
    request: pytest.FixtureRequest, tmp_path: Path, parts: tuple[str, ...]
) -> None:
    """A file ingested as it grows gives what it gives when it is ingested whole.

    Every other file names its job.
    """
    nameless = request.node.callspec.indices["parts"] % 2
    path = tmp_path / ("nameless.jsonl" if nameless else f"{JOB}.jsonl")
    if nameless:
        parts = tuple(part.replace("Created fine-tuning job", "Creating") for part in parts)
    queries = (
        "select * exclude (source_id, stream_id) from lake_events order by all",
        'select "position", byte_offset, reason, raw from lake_rejects order by all',
        "select records, events, duplicates, rejects, ignored_kinds, blank from lake_sources",
    )
    answers = []
    for folder, steps in (("grown", parts), ("whole", ("".join(parts),))):
        path.write_bytes(b"")
        with open_lake(tmp_path / folder) as lake:
            for step, part in enumerate(steps):
                with path.open("ab") as file:
                    file.write(part.encode())
                (source,) = lake.ingest([path]).sources
                assert source.status == ("grown" if step else "new")
            sound(lake)
            answers.append([asked(lake).execute(query).fetchall() for query in queries])
    assert answers[0] == answers[1]


def test_growth_of_what_was_assigned(tmp_path: Path) -> None:
    """What is new in a file that nothing names goes to the job its beginning was assigned to."""
    path = tmp_path / "poll.jsonl"
    path.write_text(lines(*LONG[1:3]))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        lake.assign(str(path), JOB)
        path.write_text(lines(*LONG[1:5]))
        assert lake.ingest([path]).sources[0].status == "grown"
        assert lake.view("events")["job_id"].to_list() == [JOB] * 4
        told = lake.sql("select job_id, told_by, last_position from lake_streams").rows()
        assert told == [(JOB, "assigned", 3)]


def test_growth_of_what_was_assigned_by_force(tmp_path: Path) -> None:
    """What is new in a file goes where its beginning was forced to, against its own evidence."""
    path = tmp_path / "poll.jsonl"
    path.write_text(lines(*LONG[:3]))
    other = "ftjob-" + "Z" * 24
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        lake.assign(str(path), other, force=True)
        path.write_text(lines(*LONG[:5]))
        (grown,) = lake.ingest([path]).sources
        assert (grown.status, grown.records) == ("grown", 2), "its beginning is not read again"
        assert lake.view("events")["job_id"].to_list() == [other] * 5
        told = lake.sql("select job_id, told_by, last_position from lake_streams").rows()
        assert told == [(other, "assigned", 4)]


def test_growth_of_equal_events_without_ids(tmp_path: Path) -> None:
    """Equal events without ids are numbered on when their file grows, as in one reading."""
    one = {"object": "fine-tune-event", "created_at": 1_700_000_000, "level": "info"}
    two = {**one, "message": "Waiting in queue"}
    one |= {"message": "Created fine-tune: ft-AAAAAAAAAAAAAAAAAAAAAAAA"}
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"")
    with open_lake(tmp_path / "lake") as lake:
        for part in ([one, two], [two], [two, two]):
            with path.open("a") as file:
                file.write(lines(*part))
            (source,) = lake.ingest([path]).sources
            assert (source.events, source.duplicates) == (len(part), 0)
        grown = lake.sql("select event_id from lake_events order by 1").rows()
    with open_lake(tmp_path / "whole") as lake:
        lake.ingest([path])
        assert lake.sql("select event_id from lake_events order by 1").rows() == grown


def test_growth_reads_only_what_is_new(tmp_path: Path) -> None:
    """Of a file that grew only the new records are reported and counted once."""
    path = tmp_path / "poll.jsonl"
    path.write_text(lines(*LONG[:3]))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        path.write_text(lines(*LONG[:5]))
        (source,) = lake.ingest([path]).sources
        assert (source.status, source.records, source.events) == ("grown", 2, 2)
        (row,) = lake.view("sources").to_dicts()
        assert (row["records"], row["events"], row["bytes"]) == (5, 5, path.stat().st_size)
        assert lake.ingest([path]).sources[0].status == "known"


def test_growth_behind_blocks_that_are_known(tmp_path: Path) -> None:
    """Of a file whose known part fills whole blocks, only the rest is read."""
    path = tmp_path / "poll.jsonl"
    long = [event(n) | {"message": "m" * (1 << 20)} for n in range(1, 20)]
    path.write_text(lines(LONG[0], *long))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        path.write_text(lines(LONG[0], *long, event(20)))
        (source,) = lake.ingest([path]).sources
        assert (source.status, source.records, source.events) == ("grown", 1, 1)


def test_a_file_that_changed(tmp_path: Path) -> None:
    """A file whose old content is not its beginning is a new source; the old one stays."""
    path = tmp_path / "dump.jsonl"
    path.write_text(lines(*LONG[:3]))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        path.write_text(lines(*LONG[4:], *LONG[:1]))
        (source,) = lake.ingest([path], job_id=JOB).sources
        assert (source.status, source.events, source.duplicates) == ("new", 8, 1)
        assert len(lake.view("sources")) == 2 and len(lake.view("events")) == 11


@pytest.mark.parametrize("packing", ["", ".gz"])
def test_a_file_of_many_blocks(tmp_path: Path, packing: str) -> None:
    """A file far larger than a block gives every event its job, place and offset."""
    texts, offsets, bad, at = [], [], [], 0
    for number in range(60_000):
        job = f"ftjob-{number // 20_000:024}"
        ident = f"ftevent-{number:024}"
        message = f"Step {number}/9: training loss=0.50"
        if number % 20_000 == 0:
            message = f"Created fine-tuning job: {job}"
        text = json.dumps(event(1, id=ident, created_at=1_700_000_000 + number, message=message))
        if number % 7_000 == 5:
            text = f"{{oops {number}"
            bad.append((number, at, text))
        else:
            offsets.append((job, ident, number, at))
        texts.append(text)
        at += len(text) + 1
    content = ("\n".join(texts) + "\n").encode()
    assert len(content) > 10 << 20
    path = tmp_path / f"dump.jsonl{packing}"
    path.write_bytes(gzip.compress(content, 1) if packing else content)
    with open_lake(tmp_path / "lake") as lake:
        (source,) = lake.ingest([path]).sources
        assert (source.records, source.events) == (60_000, len(offsets))
        asked = 'select job_id, event_id, position, "offset" from lake_events order by position'
        assert lake.sql(asked).rows() == offsets
        asked = "select position, byte_offset, raw from lake_rejects order by position"
        assert [(n, o, raw.decode()) for n, o, raw in lake.sql(asked).rows()] == bad


def test_pages_on_lines_keep_their_line(tmp_path: Path) -> None:
    """What stands inside a page on a line has that line's position and its own offset."""
    body = page(1, 2)
    body["data"].append(event(3, created_at=-1))
    text = lines(event(0)) + json.dumps(body) + "\n" + lines(event(4))
    (tmp_path / f"{JOB}.jsonl").write_text(text)
    with open_lake(tmp_path / "lake") as lake:
        (source,) = lake.ingest([tmp_path / f"{JOB}.jsonl"]).sources
        assert (source.records, source.events, source.rejects) == (5, 4, {"bad_time": 1})
        asked = 'select position, "offset" from lake_events order by created_at'
        first, one, two, last = lake.sql(asked).rows()
        assert [first[0], one[0], two[0], last[0]] == [0, 1, 1, 2]
        for (_, offset), number in ((one, 1), (two, 2)):
            assert json.loads(text[offset : text.index("}}", offset) + 2]) == event(number)
        ((position, offset),) = lake.sql("select position, byte_offset from lake_rejects").rows()
        assert position == 1 and text[offset:].startswith(json.dumps(body["data"][2]))


@pytest.mark.parametrize("content", [page(0, 1, 2), [event(0), event(1), event(2)], event(0)])
def test_json_in_a_string(tmp_path: Path, content: Any) -> None:
    """A page, an array or events a line that were encoded twice are read like those inside."""
    kept = []
    for name, text in (("plain", json.dumps(content)), ("twice", json.dumps(json.dumps(content)))):
        (tmp_path / f"{name}.json").write_text(text + "\n" + text)
        with open_lake(tmp_path / f"lake-{name}") as lake:
            (source,) = lake.ingest([tmp_path / f"{name}.json"]).sources
            assert source.status == "new", source.problem
            kept.append(lake.sql("select job_id, event_id, message, data from events order by all"))
    assert len(kept[0]) and kept[0].equals(kept[1])


def test_events_in_strings_are_a_run(tmp_path: Path) -> None:
    """Events that were encoded twice, one a line, are of the job that is told among them."""
    for number, first in enumerate((event(0), {"object": "fine_tuning.job", "id": JOB})):
        lines = (json.dumps(json.dumps(one)) + "\n" for one in (first, event(1), event(2)))
        (tmp_path / f"{number}.jsonl").write_text("".join(lines))
        with open_lake(tmp_path / f"lake-{number}") as lake:
            (source,) = lake.ingest([tmp_path / f"{number}.jsonl"]).sources
            assert source.status == "new", source.problem
            assert lake.sql("select job_id, events from jobs").rows() == [(JOB, 3 - number)]


def test_a_log_may_begin_without_events(tmp_path: Path) -> None:
    """Wrapped events are of the job whose creation is among them, however late they begin."""
    idle = json.dumps({"log": "waiting " * 99, "stream": "stdout", "time": ""}) + "\n"
    told = [{"log": json.dumps(event(n)) + "\n", "stream": "stdout", "time": ""} for n in range(3)]
    (tmp_path / "app.log").write_text(idle * 1_500 + "".join(json.dumps(e) + "\n" for e in told))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path / "app.log"])
        assert lake.sql("select job_id, events from jobs").rows() == [(JOB, 3)]


def test_many_contents_are_ranked_some_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file told anew with one more field leaves its earlier contents as variants, all of them."""
    monkeypatch.setattr(settle, "_PAGE_BYTES", 2_000)
    rows = [event(n) for n in range(11)]
    fuller = [{**row, "data": {**row["data"], "added": 1}} for row in rows]
    for name, told in (("a", rows), ("b", fuller), ("c", rows[3:6])):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in told))
    for order in ("abc", "bca"):
        with open_lake(tmp_path / order) as lake:
            for name in order:
                lake.ingest([tmp_path / name], job_id=JOB)
            found = lake.view("events")
            assert sorted(map(json.loads, found["data"]), key=str) == sorted(
                (row["data"] for row in fuller), key=str
            )
            kept = lake.view("variants")["event"].to_list()
            assert sorted(map(json.loads, kept), key=str) == sorted(rows, key=str)
            assert not lake.verify().findings
