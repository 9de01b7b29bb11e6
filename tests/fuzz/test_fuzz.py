"""Any input goes the whole way without a crash, is conserved, and means what json says it means.

These are the short forms; `make torture` runs the long one.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from comparison import Comparison
from dumps import an_event
from dumps_of import of_records
from hypothesis import given
from hypothesis import strategies as st
from mutations import KEYS, NUMBERS, TEXTS
from seeds import seeds
from strategies import JSON_VALUES, examples
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
FIELDS = st.sampled_from(KEYS[:24])


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """A line of any bytes, any JSON, or an event of which some fields are anything."""
    kind = draw(st.sampled_from(["event", "event", "event", "metrics", "json", "bytes"]))
    if kind == "bytes":
        return draw(st.binary(max_size=60)).replace(b"\n", b"\r")
    if kind == "json":
        value: Any = draw(VALUES)
    else:
        number = draw(st.integers(0, 40))
        value = an_event(number)
        place = value["data"] if kind == "metrics" else value
        for name in draw(st.lists(FIELDS, max_size=3)):
            place[name] = draw(VALUES)
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    if draw(st.integers(0, 3)) == 0:
        text = text.replace("0.5", draw(st.sampled_from(NUMBERS)), 1)
    return text.encode("utf-8", "surrogatepass")


@examples(6)
@given(some=st.lists(records(), min_size=60, max_size=120))
def test_any_records(some: list[bytes]) -> None:
    """Records drawn at random get the verdicts and values of an independent reader."""
    good = [json.dumps(an_event(number)).encode() for number in (50, 51)]
    with tempfile.TemporaryDirectory() as folder, open_lake(Path(folder) / "lake") as lake:
        file = of_records(Path(folder) / "x.jsonl", good, some)
        lake.ingest([file.path], job_id=JOB, force=True)
        compared = Comparison(lake, JOB, {})
        compared.compare(file)
        compared.settle()
        assert compared.wrong == []
