"""Rejects that are read again become what they are by now, once."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_ingest import JOB, event, exchange, page
from test_rejects import GOOD, LIMIT, rejects

from pipeline import exact, open_lake


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Makes the reader reject what it will read later, as an earlier version might."""
    read = exact.read

    def poor(raw: bytes, *, last: bool = False) -> exact.Verdict:
        verdict = read(raw, last=last)
        if isinstance(verdict, exact.Event) and "unusual" in verdict.message:
            return exact.Reject("wrong_type", "not understood yet")
        return verdict

    def switch(on: bool) -> None:
        monkeypatch.setattr(exact, "read", poor if on else read)

    return switch


UNUSUAL = [event(n, message=f"an unusual {n}", level="Info") for n in (5, 6)]


@pytest.mark.parametrize("named", [True, False], ids=["named", "unattributed"])
def test_replay(tmp_path: Path, blind: Callable[[bool], None], named: bool) -> None:
    """Rejects that pass by now become events of their job, once; the others stay as they are."""
    rows = [*(GOOD if named else GOOD[1:]), *UNUSUAL]
    text = "\n".join(map(json.dumps, rows)) + "\n{oops}\n"
    (tmp_path / "dump.jsonl").write_text(text)
    blind(True)
    with open_lake(tmp_path / "lake") as lake:
        assert lake.ingest([tmp_path / "dump.jsonl"]).reject_count == 3
        blind(False)
        report = lake.replay_rejects()
        assert (report.tried, report.passed, report.still) == (3, 2, 1)
        found = lake.view("events")
        assert sorted(found["event_id"]) == sorted(row["id"] for row in rows)
        assert found["job_id"].n_unique() == 1
        assert [row["raw"] for row in rejects(lake)] == [b"{oops}"]
        (source,) = lake.view("sources").to_dicts()
        assert (source["events"], source["rejects"]) == (len(rows), 1)
        again = lake.replay_rejects()
        assert (again.tried, again.passed, again.still) == (1, 0, 1)
        assert lake.view("history")["command"].to_list() == ["ingest", "replay"]
        assert lake.view("events").equals(found)
        with open_lake(tmp_path / "straight") as straight:
            straight.ingest([tmp_path / "dump.jsonl"])
            assert straight.view("events").equals(found)


def test_replay_after_assignment(tmp_path: Path, blind: Callable[[bool], None]) -> None:
    """What passes later is of the job that its stream was given to meanwhile."""
    dump = tmp_path / "dump.jsonl"
    dump.write_text("".join(json.dumps(row) + "\n" for row in [*GOOD[1:], *UNUSUAL]))
    with open_lake(tmp_path / "lake") as lake:
        blind(True)
        lake.ingest([dump], job_id="ftjob-first")
        lake.assign(str(dump), "ftjob-second", force=True)
        blind(False)
        assert lake.replay_rejects().passed == 2
        assert set(lake.view("events")["job_id"]) == {"ftjob-second"}
        assert not lake.verify().findings


def test_replay_of_a_first_event(tmp_path: Path, blind: Callable[[bool], None]) -> None:
    """A job without a name is called after its first event, also if that passes later."""
    dump, copy = tmp_path / "dump.jsonl", tmp_path / "copy.jsonl"
    dump.write_text("".join(json.dumps(row) + "\n" for row in [UNUSUAL[0], *GOOD[1:]]))
    copy.write_text("".join(json.dumps(row) + "\n" for row in [UNUSUAL[0], *GOOD[1:]]) + "\n")
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "straight") as straight:
        blind(True)
        lake.ingest([dump])
        blind(False)
        lake.replay_rejects()
        straight.ingest([dump])
        assert lake.view("events").equals(straight.view("events"))
        assert not lake.verify().findings
        (source,) = lake.ingest([copy]).sources
        assert source.events == 0


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_replay_of_records_that_were_too_large(tmp_path: Path, packed: bool) -> None:
    """Under a larger limit they become events: from the lake, or from a file that is unchanged."""
    rows = [*GOOD, event(3, message="x" * 5_000), event(4, message="y" * LIMIT), event(5)]
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    dump = tmp_path / "dump"
    dump.write_bytes(gzip.compress(text) if packed else text)
    with open_lake(tmp_path / "lake") as lake:
        assert lake.ingest([dump], max_record_bytes=2_000).reject_count == 2
        assert "rejects --replay --max-record-bytes" in rejects(lake)[0]["detail"]
        told = [lake.replay_rejects(max_record_bytes=n).passed for n in (3_000, 100_000)]
        assert told == [0, 1]
        content = dump.read_bytes()
        for other in (content[: len(content) // 2], content[1:]):
            dump.write_bytes(other)
            assert lake.replay_rejects().passed == 0
        dump.unlink()
        assert lake.replay_rejects().passed == 0
        dump.write_bytes(content)
        assert lake.replay_rejects().passed == 1
        assert lake.view("events")["event_id"].to_list() == [row["id"] for row in rows]
        (source,) = lake.view("sources").to_dicts()
        assert (source["records"], source["events"], source["rejects"]) == (6, 6, 0)
        assert not lake.verify().findings


OTHER = f"ftjob-{'B' * 24}"
LEGACY = {"object": "fine-tune-event", "created_at": 1_690_000_000, "level": "info"}
OF_TWO_JOBS = [event(3), event(4, job_id=OTHER), {"object": "fine_tuning.job", "id": JOB}]
OF_ANOTHER = event(5, job_id=OTHER, message="x" * 400)
OF_SEVERAL = [event(3), *page(2)["data"], {"object": "file"}, *[LEGACY | {"message": "Hello"}] * 2]


@pytest.mark.parametrize(
    ("inner", "job"),
    [
        (page(3, 4, 5), None),
        (page(3, 4, 5), JOB),
        (exchange(page(3, 4, 5), OTHER), None),
        (OF_TWO_JOBS, None),
        (OF_SEVERAL, None),
        (OF_SEVERAL, JOB),
        (OF_ANOTHER, None),
        ({"messages": [{"role": "user", "content": "x" * 400}]}, None),
    ],
    ids=[
        "page", "page by flag", "exchange", "two jobs", "several", "several by flag",
        "event of another job", "no event",
    ],
)  # fmt: skip
def test_replay_of_what_was_too_large(tmp_path: Path, inner: Any, job: str | None) -> None:
    """A line becomes what it is in a lake that took it at once, a page's events among it."""
    dump = tmp_path / "dump.jsonl"
    dump.write_text("".join(json.dumps(row) + "\n" for row in [*GOOD, inner, event(6)]))
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "straight") as straight:
        lake.ingest([dump], max_record_bytes=400, job_id=job)
        assert lake.replay_rejects(max_record_bytes=400).passed == 0
        assert [lake.replay_rejects().passed for _ in range(2)] == [1, 0]
        straight.ingest([dump], job_id=job)
        for view in ("events", "lake_streams", "lake_companions", "rejects"):
            query = f"from {view} order by all"
            assert lake.sql(query).equals(straight.sql(query)), view
        told = "records, events, companions, duplicates, ignored, ignored_kinds, jobs"
        counts = f"select {told} from sources"
        assert lake.sql(counts).equals(straight.sql(counts))
        assert not lake.verify().findings


def test_replay_of_a_page_with_a_reject(tmp_path: Path) -> None:
    """A line in which something is a reject still stays one as a whole, whatever else passes."""
    dump = tmp_path / "dump.jsonl"
    inner = [*page(3, 4)["data"], {"object": "fine_tuning.job.event", "message": "no id"}]
    lines = [(inner, None), (OF_TWO_JOBS, JOB), (exchange(page(3), OTHER), JOB), (OF_ANOTHER, JOB)]
    for number, (line, job) in enumerate(lines):
        rows = [*GOOD, line, event(6, message="y" * 400)]
        dump.write_text("".join(json.dumps(row) + "\n" for row in rows))
        with open_lake(tmp_path / f"lake{number}") as lake:
            lake.ingest([dump], max_record_bytes=400, job_id=job)
            report = lake.replay_rejects()
            assert (report.passed, report.still) == (1, 1)
            events = [row["id"] for row in (*GOOD, event(6))]
            assert lake.view("events")["event_id"].to_list() == events
            assert not lake.verify().findings


def test_replay_of_a_page_after_assignment(tmp_path: Path) -> None:
    """A page on a line is of the job that the lines around it were given meanwhile."""
    dump = tmp_path / "dump.jsonl"
    rows = [*GOOD[1:], page(3, 4, 5), event(6)]
    dump.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for job in (None, JOB):
        with open_lake(tmp_path / f"lake of {job}") as lake:
            lake.ingest([dump], max_record_bytes=400, job_id=job)
            lake.assign(str(dump), OTHER, force=True)
            assert lake.replay_rejects().passed == 1
            streams = lake.sql("select job_id, told_by from lake_streams").rows()
            assert streams == [(OTHER, "assigned")] * 2
            assert set(lake.view("events")["job_id"]) == {OTHER}
            assert not lake.verify().findings


def test_replay_of_an_event_that_came_otherwise(
    tmp_path: Path, blind: Callable[[bool], None]
) -> None:
    """A reject that passes, of an event that is there already, is counted as its duplicate."""
    for name, rows in (("one", [*GOOD, UNUSUAL[0]]), ("two", [GOOD[0], UNUSUAL[0]])):
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)))
    blind(True)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path / "one"])
        blind(False)
        lake.ingest([tmp_path / "two"])
        assert lake.replay_rejects().passed == 1
        assert len(lake.view("events")) == 4 and not rejects(lake)
        rows = {Path(row["path"]).name: row for row in lake.view("sources").to_dicts()}
    assert (rows["one"]["events"], rows["one"]["duplicates"]) == (3, 1)


@pytest.mark.parametrize("cut", [2, 3, 5])
def test_replay_of_equal_events(tmp_path: Path, blind: Callable[[bool], None], cut: int) -> None:
    """Equal rejects without ids become as many events as an ingest makes of them."""
    created = LEGACY | {"message": "Created fine-tune: ft-of-before-2023"}
    lines = [json.dumps(row) + "\n" for row in [created, *[LEGACY | {"message": "unusual"}] * 4]]
    dump = tmp_path / "dump.jsonl"
    dump.write_text("".join(lines[:cut]))
    blind(True)
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "straight") as straight:
        lake.ingest([dump])
        blind(False)
        dump.write_text("".join(lines))
        lake.ingest([dump])
        assert lake.replay_rejects().passed == cut - 1
        straight.ingest([dump])
        query = "select event_id, job_id, message from events order by all"
        assert lake.sql(query).equals(straight.sql(query))
        assert len(lake.view("events")) == 5
        assert not lake.verify().findings


@pytest.mark.parametrize("line", [False, True], ids=["recorded", "on a line"])
def test_replay_inside_one_body(tmp_path: Path, blind: Callable[[bool], None], line: bool) -> None:
    """Of two rejects in one body, at one offset or of one line, that which fails still stays."""
    body = page(0, 1)
    body["data"][:0] = [UNUSUAL[0], event(9, created_at=-1)]
    text = json.dumps(event(2)) + "\n" + json.dumps(body) if line else json.dumps(exchange(body))
    (tmp_path / "dump").write_text(text)
    blind(True)
    with open_lake(tmp_path / "lake") as lake:
        assert lake.ingest([tmp_path / "dump"]).reject_count == 2
        blind(False)
        assert lake.replay_rejects().passed == 1
        assert [row["reason"] for row in rejects(lake)] == ["bad_time"]
        assert len(lake.view("events")) == 3 + line
        assert not lake.verify().findings
