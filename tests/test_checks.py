"""The checks of a lake: silent on a sound one, each speaking up on its own fault."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from oracle_lake import files

from pipeline import views
from pipeline.contract import COMPANION_KINDS, METRICS, REJECT_REASONS, TABLES, TOLD_BY
from pipeline.lake.rules import rules

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Lake = dict[str, list[dict[str, Any]]]


def event(number: int, **fields: Any) -> dict[str, Any]:
    """An event of the sound lake."""
    return {
        "job_id": "ftjob-a",
        "event_id": f"ftevent-{number}",
        "created_at": NOW,
        "level": "info",
        "message": "",
        "dialect": "openai",
        "stream_id": "s/0",
        "source_id": "s",
        "position": number,
        "offset": number * 100,
        "ordinal": -number,
    } | fields


SOUND: Lake = {
    "events": [event(0), event(1, misfits=["train_loss", "step"])],
    "rejects": [
        {
            "source_id": "s",
            "position": 2,
            "byte_offset": 200,
            "byte_length": 4,
            "reason": "malformed_json",
            "detail": "",
            "raw": b"oops",
            "first_seen_at": NOW,
            "stream_id": "s/0",
            "ordinal": -2,
        }
    ],
    "variants": [
        {
            "job_id": "ftjob-a",
            "event_id": "ftevent-1",
            "content_hash": "h",
            "event": "{}",
            "source_id": "s",
            "position": 3,
            "offset": 300,
            "first_seen_at": NOW,
        }
    ],
    "sources": [
        {
            "source_id": "s",
            "path": "a.json",
            "content_hash": "h",
            "bytes": 500,
            "form": "documents",
            "compression": "none",
            "records": 7,
            "events": 2,
            "companions": 1,
            "duplicates": 1,
            "rejects": 1,
            "ignored": 1,
            "blank": 1,
            "ignored_kinds": '{"a file": 1}',
            "commit_id": 1,
            "ingested_at": NOW,
        }
    ],
    "companions": [
        {
            "job_id": "ftjob-a",
            "kind": "job",
            "content": "{}",
            "source_id": "s",
            "position": 4,
            "offset": 400,
        }
    ],
    "streams": [
        {
            "stream_id": "s/0",
            "source_id": "s",
            "first_position": 0,
            "last_position": 5,
            "newest_first": True,
            "job_id": "ftjob-a",
            "told_by": "creation",
        }
    ],
    "commits": [
        {
            "commit_id": 1,
            "committed_at": NOW,
            "command": "ingest",
            "sources": 1,
            "events": 2,
            "rejects": 1,
        }
    ],
}


def put(table: str, **fields: Any) -> Callable[[Lake], None]:
    """A fault: the last row of a table says something else."""
    return lambda lake: lake[table][-1].update(fields)


def add(table: str, **fields: Any) -> Callable[[Lake], None]:
    """A fault: the last row of a table is there again, slightly different."""
    return lambda lake: lake[table].append(lake[table][-1] | fields)


def seen_by(end: datetime) -> Callable[[Lake], None]:
    """A fault: a later commit saw the source, in a dump that ends too early."""

    def fault(lake: Lake) -> None:
        lake["commits"][0]["last_event_at"] = NOW
        lake["sources"][0]["seen_commit_id"] = 2
        lake["commits"].append(lake["commits"][0] | {"commit_id": 2, "last_event_at": end})

    return fault


FAULTS = [
    ("events_are_unique", add("events")),
    ("events_are_complete", put("events", created_at=datetime(1969, 12, 31, tzinfo=UTC))),
    ("events_are_complete", put("events", offset=-1)),
    ("events_lie_in_their_stream", put("events", job_id="ftjob-b")),
    ("events_lie_in_their_stream", put("events", stream_id="s/9")),
    ("events_lie_in_their_stream", put("streams", last_position=0)),
    ("ordinals_grow_with_time", put("events", ordinal=1)),
    ("ordinals_grow_with_time", put("streams", newest_first=False)),
    ("sources_conserve_records", put("sources", records=8)),
    ("sources_conserve_records", put("sources", ignored=-1, blank=3)),
    ("sources_conserve_records", put("sources", ignored_kinds='{"a file": 2}')),
    ("sources_count_their_events", put("sources", events=3, duplicates=0)),
    ("sources_count_their_events", add("events", event_id="ftevent-9", source_id="t")),
    ("sources_count_their_events", lambda lake: lake["rejects"].clear()),
    ("sources_count_their_events", lambda lake: lake["companions"].clear()),
    ("companions_are_unique", add("companions", position=5)),
    ("companions_are_unique", put("companions", kind="rumour")),
    ("companions_are_unique", put("companions", source_id="t")),
    ("reject_reasons_are_known", put("rejects", reason="bad luck")),
    ("rejects_are_whole", put("rejects", raw=b"oop")),
    ("rejects_are_whole", put("rejects", raw=b"oopsy", raw_hash="h")),
    ("streams_tell_their_job", put("streams", told_by="rumour")),
    ("streams_tell_their_job", put("streams", told_by="unknown")),
    ("streams_have_sources", add("streams", stream_id="t/0", source_id="t")),
    ("streams_have_sources", put("rejects", source_id="t")),
    ("variants_have_winners", add("variants")),
    ("variants_have_winners", put("variants", event_id="ftevent-9")),
    ("misfits_are_known", put("events", misfits=["loss"])),
    ("misfits_are_known", put("events", train_loss=0.5)),
    ("commits_count_the_lake", put("commits", sources=2)),
    ("commits_count_the_lake", put("commits", events=1)),
    ("commits_count_the_lake", put("commits", rejects=0)),
    ("sources_are_seen_later", put("sources", seen_commit_id=1)),
    ("sources_are_seen_later", put("sources", seen_commit_id=2)),
    ("sources_are_seen_later", seen_by(NOW - timedelta(1))),
]


def broken(lake: Lake, folder: Path) -> dict[str, int]:
    """How many rows each check returns, of those that return any."""
    tables = {name: pa.Table.from_pylist(rows, schema=TABLES[name]) for name, rows in lake.items()}
    with duckdb.connect() as con:
        views.create(con, files(folder, **tables), only=[])
        found = {check.name: len(con.execute(check.query).fetchall()) for check in rules()}
    return {name: count for name, count in found.items() if count}


def test_a_sound_lake_passes(tmp_path: Path) -> None:
    """On a lake that keeps every rule no check returns a row."""
    assert broken(SOUND, tmp_path) == {}


@pytest.mark.parametrize(
    ("check", "fault"), FAULTS, ids=lambda value: getattr(value, "strip", str)()
)
def test_each_fault_is_found(check: str, fault: Callable[[Lake], None], tmp_path: Path) -> None:
    """A lake with one fault breaks the rule that names it."""
    lake = copy.deepcopy(SOUND)
    fault(lake)
    assert check in broken(lake, tmp_path)


def test_a_source_may_be_seen_later(tmp_path: Path) -> None:
    """By a commit whose dump ends after that of the commit that brought it, as of none told."""
    lake = copy.deepcopy(SOUND)
    seen_by(NOW + timedelta(1))(lake)
    assert broken(lake, tmp_path) == {}
    del lake["commits"][0]["last_event_at"]
    assert broken(lake, tmp_path) == {}


def test_every_check_can_fail() -> None:
    """Each check has a fault that it finds, and states its rule in a sentence."""
    assert {check.name for check in rules()} == {check for check, _ in FAULTS}
    assert all(check.rule.endswith(".") for check in rules())


def test_closed_lists_are_those_of_the_contract() -> None:
    """The reasons, ways of telling and metrics listed in the checks are the contract's."""
    queries = {check.name: check.query for check in rules()}
    assert all(f"'{reason}'" in queries["reject_reasons_are_known"] for reason in REJECT_REASONS)
    assert all(f"'{way}'" in queries["streams_tell_their_job"] for way in TOLD_BY)
    assert all(f"'{kind}'" in queries["companions_are_unique"] for kind in COMPANION_KINDS)
    assert all(f"when '{name}'" in queries["misfits_are_known"] for name in METRICS)
    reasons = queries["reject_reasons_are_known"].partition("not in")[2].count("'") // 2
    assert reasons == len(REJECT_REASONS)


@pytest.mark.parametrize("kinds", ["{}", '{"a file": 1}', '{"a \\ud800": 2}'])
def test_kinds_may_be_missing(kinds: str, tmp_path: Path) -> None:
    """Replays of earlier versions told none, and the engine reads no half characters."""
    lake = copy.deepcopy(SOUND)
    put("sources", ignored=2, duplicates=0, ignored_kinds=kinds)(lake)
    assert broken(lake, tmp_path) == {}
