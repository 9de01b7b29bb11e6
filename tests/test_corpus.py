"""Real dumps, where they lie beside the checkout."""

from __future__ import annotations

import base64
import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from oracle_reader import documents, events_in

from pipeline import open_lake
from pipeline.contract import COUNTERS, METRICS

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
EXPECTED = CORPUS / "EXPECTED.tsv"

pytestmark = pytest.mark.skipif(not EXPECTED.exists(), reason=f"{CORPUS} is not here")

ROWS = (
    list(csv.DictReader(EXPECTED.open(encoding="utf-8"), delimiter="\t"))
    if EXPECTED.exists()
    else []
)
JSON_FILES = [row for row in ROWS if row["form"] == "json"]
OTHERS = [row for row in ROWS if row["form"] in ("python_repr", "sse")]
RESULTS = [row for row in ROWS if row["form"] == "result_csv"]


def numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number below a payload, under its path; list elements by name, else by index."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            name = inner.get("name", index) if isinstance(inner, dict) else index
            yield from numbers(inner, f"{path}/{name}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path.removeprefix("/"), float(value)


@pytest.mark.parametrize("row", JSON_FILES, ids=lambda row: row["file"])
def test_counts_and_metrics(tmp_path: Path, row: dict[str, str]) -> None:
    """A real JSON dump gives its number of events, no reject, and each number as json reads it."""
    path = CORPUS / row["file"]
    with open_lake(tmp_path / "lake") as lake:
        (source,) = lake.ingest([path]).sources
        assert source.status == "new" and not source.rejects
        assert source.events == int(row["structured_events"])
        found = {event["event_id"]: event for event in lake.view("events").to_dicts()}
        exported = [json.loads(line) for line in lake.export_events()]
    values = list(documents(path.read_text(encoding="utf-8")))
    sent = {event["id"]: event for event in events_in(values)}
    assert len(sent) == source.events
    for event_id, event in sent.items():
        data, held = event.get("data") or {}, found[event_id]
        columns = {name: held[name] for name in (*COUNTERS, *METRICS) if held[name] is not None}
        others = held["other_metrics"] or {}
        told = columns | {name.replace("~1", "/"): value for name, value in others.items()}
        wanted = dict(numbers(data))
        assert told.keys() == wanted.keys()
        assert all(math.isclose(told[name], wanted[name], rel_tol=0) for name in wanted)
    events = [value for value in exported if value.get("object") == "fine_tuning.job.event"]
    assert sorted(events, key=lambda e: e["id"]) == sorted(sent.values(), key=lambda e: e["id"])


@pytest.mark.parametrize("row", OTHERS, ids=lambda row: row["file"])
def test_other_forms_are_named(tmp_path: Path, row: dict[str, str]) -> None:
    """A real dump in a form that is not read is refused by name, and changes nothing."""
    words = {"python_repr": "Python repr", "sse": "server-sent events"}
    with open_lake(tmp_path / "lake") as lake:
        (source,) = lake.ingest([CORPUS / row["file"]]).sources
        assert source.status == "refused" and words[row["form"]] in str(source.problem)
        assert source.problem.count("\n") == 0
        assert lake.view("sources").is_empty()


@pytest.mark.parametrize("row", RESULTS, ids=lambda row: row["file"])
@pytest.mark.parametrize("packed", [False, True])
def test_result_files(tmp_path: Path, row: dict[str, str], packed: bool) -> None:
    """A real result file, plain or as the API sends it, is a curve, number for number."""
    content = (CORPUS / row["file"]).read_bytes()
    path = tmp_path / "ftjob-AAAAAAAAAAAAAAAAAAAAAAAA.csv"
    path.write_bytes(base64.encodebytes(content) if packed else content)
    with open_lake(tmp_path / "lake") as lake:
        (source,) = lake.ingest([path]).sources
        curve = lake.view("loss_curves").to_dicts()
    wanted = list(csv.DictReader(content.decode().splitlines()))
    assert source.companions == {"result": len(wanted)} and not source.rejects
    assert [row["step"] for row in curve] == [int(row["step"]) for row in wanted]
    assert [row["train_loss"] for row in curve] == [float(row["train_loss"]) for row in wanted]
    accuracies = [row["train_mean_token_accuracy"] for row in curve]
    assert accuracies == [float(row["train_accuracy"]) for row in wanted]
    assert all(row["from_result_file"] and row["events"] == 0 for row in curve)


def test_corpus_whole(tmp_path: Path) -> None:
    """All real dumps at once: the JSON ones are read, none costs another an event."""
    with open_lake(tmp_path / "lake") as lake:
        report = lake.ingest([CORPUS / row["file"] for row in ROWS])
        read = {Path(s.path).name: s for s in report.sources if s.status != "refused"}
        for row in JSON_FILES:
            source = read[row["file"]]
            assert source.events + source.duplicates == int(row["structured_events"])
        assert sum(s.events for s in read.values()) == len(lake.view("events"))
