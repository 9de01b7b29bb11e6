"""Steps that only messages tell: found in whatever segment they lie, looked for nowhere else."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dumps import A, B, an_event
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples
from test_laws import workplace

from pipeline import open_lake
from pipeline.lake.lake import Lake
from pipeline.view_files import SPOKEN

CURVE = "select job_id, step, train_loss, from_message from loss_curves order by all"


def told(number: int, **fields: Any) -> dict[str, Any]:
    """An event whose message tells step `number`, as those of 2023 do."""
    return an_event(number) | {"data": None, "type": "message"} | fields


def silent(number: int) -> dict[str, Any]:
    """A metrics event, which tells its step by its payload."""
    return an_event(number)


def odd(number: int) -> dict[str, Any]:
    """As `told`, with a field that only the exact reader takes."""
    return told(number, extra_field=[1])


def written(path: Path, *events: dict[str, Any]) -> Path:
    """A dump of JSON lines."""
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def spoken(lake: Lake) -> int:
    """In how many segments steps are looked for in messages."""
    return len(lake._store.files()[SPOKEN])


@pytest.mark.parametrize("kind", [told, odd])
def test_a_told_step_is_found(kind: Callable[[int], dict[str, Any]], tmp_path: Path) -> None:
    """By whichever reader it came, after duplicates, a new name, and a compaction."""
    curve = [(A, 1, 0.5, False), (A, 2, 0.5, True)]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([written(tmp_path / "a", silent(1))], job_id=A)
        assert spoken(lake) == 0
        lake.ingest([written(tmp_path / "b", kind(2))])
        assert spoken(lake) == 1
        (source,) = lake.sql("select source_id from sources where path like '%b'").rows()[0]
        lake.assign(source, A)
        assert (spoken(lake), lake.sql(CURVE).rows()) == (1, curve)
        lake.ingest([written(tmp_path / "c", silent(1), silent(1), kind(2))], job_id=A)
        assert (spoken(lake), lake.sql(CURVE).rows()) == (1, curve)
        lake.compact()
        assert (spoken(lake), lake.sql(CURVE).rows()) == (1, curve)
        assert lake.verify().findings == []


def test_where_none_is_told_none_is_looked_for(tmp_path: Path) -> None:
    """The script says so to every engine: no scan for it is planned."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([written(tmp_path / "a", *map(silent, range(1, 4)))], job_id=A)
        assert "view lake_spoken as\nselect * from lake_events where false" in lake.snapshot()[0]
        with lake.connect() as con:
            plan = con.execute("explain from stg_metrics").fetchall()[0][1]
        assert plan.lower().count("read_parquet") == 1
        lake.ingest([written(tmp_path / "b", told(9))], job_id=B)
        named = lake.snapshot()[0].partition("view lake_spoken as\n")[2].partition(";")[0]
        assert named.count(".parquet") == 1
        assert lake.sql(CURVE).rows()[-1] == (B, 9, 0.5, True)


def test_a_segment_nobody_looked_at_may_tell(tmp_path: Path) -> None:
    """As those that an older version wrote, until a compaction."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([written(tmp_path / "a", silent(1), told(2))], job_id=A)
        lake.ingest([written(tmp_path / "b", silent(1))], job_id=B)
        before = lake.sql(CURVE).rows()
    with sqlite3.connect(tmp_path / "lake" / "ledger.db") as db:
        db.execute("update segments set speaks = null")
    with open_lake(tmp_path / "lake") as lake:
        assert (spoken(lake), lake.sql(CURVE).rows()) == (2, before)
        lake.compact()
        assert (spoken(lake), lake.sql(CURVE).rows()) == (1, before)
        assert lake.verify().findings == []


def test_verify_finds_steps_that_views_would_not_see(tmp_path: Path) -> None:
    """A ledger that calls a segment silent that is not."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([written(tmp_path / "a", silent(1), told(2))], job_id=A)
    with sqlite3.connect(tmp_path / "lake" / "ledger.db") as db:
        db.execute("update segments set speaks = 0")
    with open_lake(tmp_path / "lake") as lake:
        found = [f for f in lake.verify().findings if f.rule == "segments_tell_their_steps"]
        assert [f"event_id {told(2)['id']}" in finding.place for finding in found] == [True]


MESSAGES = st.sampled_from(
    ["Step 3/9: training loss=0.25", "Step 4: training loss=1.0", "Step", "step 5", "Steps", "Done"]
)
EVENTS = st.builds(
    lambda number, message, data, beside: (
        an_event(number) | {"message": message, "data": data, "type": "message"} | beside
    ),
    st.integers(1, 8),
    MESSAGES,
    st.sampled_from([None, {}, {"x": 1}, {"step": 2, "train_loss": 0.75}, {"step": "two"}]),
    st.sampled_from([{}, {"extra_field": "x"}]),
)


@examples(8)
@given(parts=st.lists(st.lists(EVENTS, min_size=1, max_size=4), min_size=1, max_size=4))
def test_views_are_the_same_as_if_all_were_looked_at(parts: list[list[dict[str, Any]]]) -> None:
    """Whatever lies in which segment."""
    with workplace() as folder, open_lake(folder / "lake") as lake:
        for number, events in enumerate(parts):
            lake.ingest([written(folder / f"{number}.jsonl", *events)], job_id=(A, B)[number % 2])
        with lake.connect() as con:
            quick = con.execute(CURVE).fetchall()
            con.execute("create or replace view lake_spoken as from lake_events")
            assert con.execute(CURVE).fetchall() == quick
        assert lake.verify().findings == []
