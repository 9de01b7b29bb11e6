"""Documents in the lines of a log, in the entries of loggers, in the rows of a table."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from dumps import (
    A,
    B,
    C,
    a_checkpoint,
    a_page,
    an_event,
    records_in,
    records_of,
)  # fmt: skip

from pipeline import exact, shapes


@pytest.mark.parametrize("indent", [None, 4])
def test_lines_of_a_log_with_their_times(indent: int | None) -> None:
    """The lines that Loki gives with their times are one stream, though each pair is an array."""
    lines = [json.dumps(an_event(3)), json.dumps(a_page(2, 1), indent=2), json.dumps(an_event(0))]
    values = [[f"{1_700_000_000 + n}000000000", line] for n, line in enumerate(["wait", *lines])]
    values[-1].append({"trace": "1"})  # type: ignore[arg-type]
    document = {"data": {"result": [{"stream": {"job": A}, "values": values}]}}
    for block_bytes in (1, 4 << 20):
        records = records_of(json.dumps(document, indent=indent), block_bytes=block_bytes)
        assert records.kinds == ["not_an_object", *["Event"] * 4]
        assert records.values[1:] == [an_event(n) for n in (3, 2, 1, 0)]
        assert [at for at, *_ in records.streams] == [0, 2, 4]
    document["data"]["result"][0]["values"] = [[values[0][0], lines[0]], [values[0][0], lines[2]]]
    assert records_in(document).streams == [(0, (A,), False)]


@pytest.mark.parametrize(
    ("entry", "how"),
    [
        ({"log": '  "object": "list",\n', "stream": "stdout", "time": "2024"}, "jq -j .log"),
        ({"__CURSOR": "s=1", "MESSAGE": [123, 10], "_PID": "1"}, "journalctl -o cat"),
        ({"log": "x", "time": "2024"}, "an object with log, time: neither"),
        (
            {"columns": ["object", "id"], "data": [["fine_tuning.job.event", "x"]]},
            "a table: name cells",
        ),
        ({"events": [{"message": f"INFO {json.dumps(an_event())}"}]}, "cut it out as JSON"),
    ],
)
def test_a_part_of_a_wrapped_page_is_told(entry: dict[str, Any], how: str) -> None:
    """A line of an indented page, each wrapped by what keeps logs, says how to have the page."""
    told = exact.read(json.dumps(entry).encode())
    assert isinstance(told, exact.Reject) and how in told.detail


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    "entry",
    [
        lambda event: {"level": "info", "message": json.dumps(event)},
        lambda event: {"level": "info", "message": "polled", "event": event},
        lambda event: {"created_at": "2024", "message": "polled", "page": {"events": [event]}},
        lambda event: {"level": 30, "message": "polled", "events": [event]},
        lambda event: {"id": 7, "created_at": "2024", "level": "", "message": json.dumps([event])},
        lambda event: {"id": 7, "created_at": 1, "level": "", "message": " " + json.dumps(event)},
    ],
)
def test_an_entry_of_a_logger(entry: Callable[[Any], Any], indent: int | None) -> None:
    """What a logger made of an event is none, though it has a message and a level."""
    wrapped = [entry(an_event(n)) for n in range(3)]
    assert all(isinstance(exact.read(json.dumps(w).encode()), exact.Container) for w in wrapped)
    for document in wrapped, {"level": "error", "message": "", "log": wrapped}:
        records = records_of(json.dumps(document, indent=indent))
        assert records.values == [an_event(n) for n in range(3)]
    around = {"id": "x", "created_at": 5, "level": "info", "message": "m", "data": an_event(0)}
    assert records_in([around]).values == [around]


def test_entries_of_loggers_in_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is looked through as often as it holds others, not as often as that squared."""
    looks = 0

    def counted(text: str, names: Any) -> Any:
        nonlocal looks
        looks += 1
        return body(text, names)

    body = shapes.body
    monkeypatch.setattr(shapes, "body", counted)
    counts = []
    for depth in (20, 40):
        entry: Any = {"page": [an_event()], "other": ["x"] * 1000}
        for _ in range(depth):
            entry = {"level": "info", "message": "polled", "body": entry}
        looks = 0
        assert records_in(entry).kinds == ["Event"]
        counts.append(looks)
    assert counts[1] < 3 * counts[0]


def test_what_begins_as_a_line_with_its_time() -> None:
    """Labels behind a line of Loki's are none of it, but events are: both were read without end."""
    time, events = "1700000000000000000", [an_event(0), an_event(1)]
    for array in [time, *map(json.dumps, events)], [time, "wait", *events]:
        records = records_in([array])
        assert [v for v in records.values if isinstance(v, dict)] == events
        assert records.kinds.count("Event") == 2
    plain = [time, "wait", {"trace": "1"}]
    records = records_in({"values": [plain, [time, json.dumps(events[0]), {"trace": "2"}]]})
    assert records.kinds == [*["not_an_object"] * 2, "unknown_object", "Event"]


@pytest.mark.parametrize(
    "row",
    [
        lambda event: ["2024", json.dumps(event), None, 5, {}],
        lambda event: [{"field": "@message", "value": json.dumps(event)}, {"field": "@ptr"}],
        lambda event: [7, {"payload": {"event": event}}],
        lambda event: [[json.dumps(event)], "x"],
        lambda event: [7, event],
        lambda event: [event, None, {"of": "a row"}],
    ],
)
@pytest.mark.parametrize("block_bytes", [1, 4 << 20])
def test_rows_of_a_table(row: Callable[[Any], Any], block_bytes: int) -> None:
    """Rows that hold an event in a cell are one stream; their other cells are no records."""
    rows = [row(an_event(n)) for n in (2, 1, 0)]
    for document in rows, {"columns": ["a", "b"], "rows": rows}, {"tables": [{"rows": rows}]}:
        records = records_of(json.dumps(document), block_bytes=block_bytes)
        assert records.values == [an_event(n) for n in (2, 1, 0)]
        assert records.streams == [(0, (), False)]
    rows[1].append(a_checkpoint(A) | {"created_at": 5})
    records = records_of(json.dumps(rows), block_bytes=block_bytes)
    assert records.kinds == ["Event", "Event", "checkpoint", "Event"]
    assert [jobs for _, jobs, _ in records.streams] == [(), (A,), ()]
    pages = [[an_event(1), json.dumps(an_event(2)), "x"], [an_event(0)]]
    assert records_in(pages).kinds == ["Event", "Event", "not_an_object", "Event"]
    assert [at for at, *_ in records_in(pages).streams] == [0, 3]
    cells = [A, "", {"label": B}, f"Created fine-tuning job: {C}"]
    for written in json.dumps, dict:
        table = [[cell, written(an_event(n)), 5] for n, cell in enumerate(cells)]
        assert [jobs for _, jobs, _ in records_in(table).streams] == [(A,), (), (B,), ()]
    pages = [[an_event(1), an_event(2), "x"], [{"id": "x"}, an_event(0)]]
    assert records_in(pages).kinds == [*["Event"] * 2, "not_an_object", "unknown_object", "Event"]
