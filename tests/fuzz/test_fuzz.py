"""Any input goes the whole way without a crash, is conserved, and means what json says it means.

These are the short forms; `make torture` runs the long one.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import beside
from comparison import Comparison
from dumps import A, B, a_job, an_event
from dumps_of import of_records
from hypothesis import example, given
from hypothesis import strategies as st
from mutations import KEYS, NUMBERS, TEXTS
from seeds import seeds
from strategies import JSON_VALUES, examples
from strategies_companions import checkpoint_objects, job_objects, webhooks
from trial import JOB, trial

from pipeline import open_lake

INPUTS = 1_500


def test_mutated_records(tmp_path: Path) -> None:
    """Real records, mutated, get the verdicts and values of an independent reader."""
    done = trial(tmp_path, seeds(), 1, INPUTS)
    assert done.wrong == []
    assert done.counts["inputs"] == INPUTS
    assert min(done.counts[kind] for kind in ("events", "duplicates", "rejects", "ignored")) > 5


VALUES = st.one_of(JSON_VALUES, st.sampled_from(TEXTS), st.just([{"name": "g", "v": 1}] * 2))
ODD = st.sampled_from([True, False, None, "0.25", 10**400, -(10**400), "\ud800", [1], {"a": 1}])
FIELDS = st.sampled_from(KEYS[:24])
BESIDE = st.one_of(job_objects(A), checkpoint_objects(A), webhooks(A))
KEPT = st.sampled_from(sorted({name for of_kind in beside.KEPT.values() for name in of_kind}))
METRICS = st.sampled_from([key for key in KEYS if "_" in key and "id" not in key] + ["step"])


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """A line of any bytes, any JSON, or an event or job of which some fields are anything."""
    kind = draw(st.sampled_from(["event", "event", "event", "metrics", "json", "bytes", "job"]))
    if kind == "bytes":
        return draw(st.binary(max_size=60)).replace(b"\n", b"\r")
    if kind == "json":
        value: Any = draw(VALUES)
    elif kind == "job":
        value = draw(BESIDE)
        for name in draw(st.lists(KEPT, max_size=2)):
            value[name] = draw(st.one_of(ODD, VALUES))
    else:
        number = draw(st.one_of(st.integers(0, 9), st.integers(100, 9_999)))
        value = an_event(number)
        place, names = (value["data"], METRICS) if kind == "metrics" else (value, FIELDS)
        for name in draw(st.lists(names, max_size=3)):
            place[name] = draw(st.one_of(ODD, VALUES))
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    if draw(st.integers(0, 3)) == 0:
        text = text.replace('"train_loss": 0.5', f'"train_loss": {draw(st.sampled_from(NUMBERS))}')
    if kind == "event" and draw(st.integers(0, 3)) == 0:  # a field again
        name, again = draw(st.sampled_from(["data", "message", "x"])), draw(st.one_of(ODD, VALUES))
        text = f"{text[:-1]}, {json.dumps(name)}: {json.dumps(again)}}}"
    return text.encode("utf-8", "surrogatepass")


@examples(6)
@example(some=[json.dumps(an_event(1, id="hash-1")).encode()])
@example(some=[json.dumps(an_event(1, message="half \ud83d of a pair")).encode()])
@example(some=[json.dumps(a_job(A) | {"status": "two words", "created_at": -4}).encode()])
@given(some=st.lists(records(), min_size=60, max_size=120))
def test_any_records(some: list[bytes]) -> None:
    """Records drawn at random get the verdicts and values of an independent reader."""
    compared = of_a_file(some, JOB)
    assert compared.wrong == []


def of_a_file(records: list[bytes], job: str | None) -> Comparison:
    """What becomes of a file of good events and some records, compared."""
    good = [json.dumps(an_event(number)).encode() for number in (50, 51)]
    with tempfile.TemporaryDirectory() as folder, open_lake(Path(folder) / "lake") as lake:
        file = of_records(Path(folder) / "x.jsonl", good, records)
        lake.ingest([file.path], job_id=job, force=bool(job))
        compared = Comparison(lake, job, {})
        compared.compare(file)
        compared.settle()
    return compared


def test_a_page_that_tells_two_jobs() -> None:
    """Where no job is given, a page under one job that tells of another is rejected, not lost."""
    created = an_event(1, message=f"Created fine-tuning job: {A}", data={})
    record = {"object": "fine_tuning.job", "id": B, "events": [created, an_event(2)]}
    compared = of_a_file([json.dumps(record).encode()], None)
    assert compared.wrong == []
    assert compared.counts["rejects"] == 2
