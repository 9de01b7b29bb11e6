"""The quick reader of records against the exact one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import JSON_VALUES, events, examples, spelled

from pipeline import exact
from pipeline.contract import COUNTERS, EVENT_FIELDS, EVENTS, METRICS, REJECT_REASONS
from pipeline.forms.block import Block
from pipeline.normalise import ALL_KEYS, CODED, Keys, engine, records, regular


@dataclass
class Odd:
    """A record that was handed on, and what it is."""

    index: int
    verdict: exact.Verdict


@dataclass
class Said:
    """What the quick reader says of a block: rows of regular events, and the odd records."""

    rows: list[dict[str, Any]]
    odd: list[Odd]


class Reader:
    """The quick reader, in memory."""

    def __init__(self) -> None:
        self._engine = engine(self._hand_on)
        self._con = self._engine.__enter__()
        self._odd: list[Odd] = []

    def _hand_on(
        self,
        raw: bytes,
        source: int,
        stream: int,
        position: int,
        offset: int,
        ordinal: int,
        last: bool,
    ) -> bool:
        self._odd.append(Odd(position, exact.read(raw, last=last)))
        return False

    def __call__(self, some: Block, keys: Keys = ALL_KEYS) -> Said:
        """Read a block of records."""
        self._odd = []
        count = len(some)
        text, zeros = pa.array([""] * count), np.zeros(count, dtype=np.int32)
        provenance = {name: text.dictionary_encode() for name in CODED}
        provenance |= {name: pa.array(zeros) for name in ("source", "stream")}
        provenance |= {name: pa.array(np.arange(count)) for name in ("position", "ordinal")}
        provenance |= {"offset": pa.array(some.offsets), "last": pa.array(zeros == 1)}
        batch = records(some, provenance)
        self._con.register("records", pa.Table.from_batches([batch]))
        table = self._con.sql(regular(keys)).to_arrow_table()
        self._con.unregister("records")
        return Said(table.to_pylist(), self._odd)

    def close(self) -> None:
        """Close the engine."""
        self._engine.__exit__(None, None, None)


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """One engine for all examples."""
    reader = Reader()
    yield reader
    reader.close()


def block(raws: list[bytes]) -> Block:
    """Records as a block of lines."""
    lines = [raw + b"\n" for raw in raws]
    bounds = np.cumsum([0, *map(len, lines)])
    data = np.frombuffer(b"".join(lines), dtype=np.uint8)
    return Block(data, bounds, 0, bounds[:-1])


def wanted(event: exact.Event) -> dict[str, Any]:
    """What the exact reader says, in the same columns."""
    row = {name: getattr(event, name) for name in EVENTS.names if hasattr(event, name)}
    row |= {name: event.counters.get(name) for name in COUNTERS}
    row |= {name: event.metrics.get(name) for name in METRICS}
    return row | {
        "other_metrics": event.other_metrics or None,
        "misfits": event.misfits or None,
        "job": event.job,
    }


def agree(reader: Reader, raws: list[bytes], keys: Keys = ALL_KEYS) -> Said:
    """Read records both ways; the quick reader's answer, found to equal the exact one's."""
    some = block(raws)
    said = reader(some, keys)
    indices = [*(row["position"] for row in said.rows), *(odd.index for odd in said.odd)]
    assert sorted(indices) == list(range(len(raws)))
    for row in said.rows:
        index = row.pop("position")
        verdict = exact.read(raws[index])
        assert isinstance(verdict, exact.Event), (raws[index], verdict)
        row["created_at"] = int(row["created_at"].timestamp())
        for name in ("job_id", "stream_id", "source_id", "ordinal"):
            del row[name]
        assert row.pop("offset") == some.offsets[index]
        assert row | {"job": None} == wanted(verdict), raws[index]
    for odd in said.odd:
        assert repr(odd.verdict) == repr(exact.read(raws[odd.index]))
    return said


# Pieces of records at the edge: each of these can stand where a regular one would.
STRINGS = (
    '"info"', '"metrics"', '"ftevent-a"', '"ftevent-0000000000000000000000000000000a"',
    '"ftevent-000000000000000000000000000000GG"', '"fine_tuning.job.event"', '"Step 1"',
    '"a \\" b"', '"\\u0022"', '"\\u0069nfo"', '"\\ud83d\\ude00"', '"\\ud800"', '"{}"', '"["',
    '"\\\\"', '"tab\\t"', '"raw\ttab"', '"\x00"', '"\\u0000"', '""', '"null"', '"true"',
    '"\\"data\\": null"', '"größer"', "'single'", '"5"', '"x": 1', '"}{"', '"} {"', '"[1]"',
    '"Step 1 of {2}"', '"Step [1] of 2 }"', '"Step { 1 of 2"',
)  # fmt: skip
NUMBERS = (
    "1", "0", "-0", "-0.0", "1.0", "1.5", "1e3", "1E+2", "1e400", "-1e400", "1e-400",
    "9007199254740993", "9223372036854775807", "9223372036854775808", "18446744073709551616",
    "123456789012345678901234567890", "0.1000000000000000055511151231257827", "5e-324",
    "NaN", "nan", "NAN", "Infinity", "-Infinity", "inf", "-inf", "+1", "01", ".5", "1.", "0x10",
    "1700000000", "1700000000.0", "1.7e9", "1700000000.5", "99999999", "253402300800", "1_0",
)  # fmt: skip
WORDS = (
    "null", "true", "false", "True", "None", "undefined", "{}", "[]", "[{}]", '{"a": 1}', "",
    '{"a": "b"}', '[{"a": false, "b": "c/d"}, {"a": null}]', '{"step": "x"}', '["a, b", "c: d"]',
    "[nan]", '[{"a": -Infinity}]', '{"a": [1]}', '{"a": "}"}', "[true, false]", "[nul]", "[[[]]]",
)  # fmt: skip
KEYS = st.sampled_from(
    [
        '"id"', '"created_at"', '"level"', '"message"', '"type"', '"object"', '"data"', '"step"',
        '"total_steps"', '"train_loss"', '"valid_loss"', '"x"', '"\\u0069d"', '"ID"', '"id "', "id",
        '"train_loss "', '"job_id"', '"\\"x"', '"1"', "1", "'x'", '"results"', '"error_code"',
    ]
)  # fmt: skip
SPACE = st.sampled_from([""] * 6 + [" ", "\t", "  ", "\r", "\x0c", "\u00a0", "\x0b"])
ANY = st.sampled_from([*STRINGS, *NUMBERS, *WORDS])


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """A record that is a regular event save for a few changes, valid JSON or not."""
    outer = {
        '"id"': '"ftevent-AbCdEfGhIjKlMnOpQrStUvWx"',
        '"created_at"': "1700000000",
        '"level"': '"info"',
        '"message"': '"Step 1/2: training loss=0.50"',
    }
    if draw(st.booleans()):
        outer |= {'"object"': '"fine_tuning.job.event"', '"type"': '"metrics"'}
    inner = {'"step"': "1", '"train_loss"': "0.5"} if draw(st.booleans()) else {}
    payload = draw(st.sampled_from(["object", "object", "null", "absent"]))
    target = [list(outer.items()), list(inner.items())]
    for _ in range(draw(st.integers(0, 3))):
        members = target[draw(st.integers(0, 1 if payload == "object" else 0))]
        change = draw(st.sampled_from(["value", "value", "key", "add", "repeat", "drop"]))
        at = draw(st.integers(0, max(len(members) - 1, 0)))
        if change == "add" or not members:
            members.insert(at, (draw(KEYS), draw(ANY)))
        elif change == "value":
            members[at] = (members[at][0], draw(ANY))
        elif change == "key":
            members[at] = (draw(KEYS), members[at][1])
        elif change == "repeat":
            members.append((members[at][0], draw(ANY)))
        else:
            del members[at]
    if draw(st.booleans()):
        target[0] = draw(st.permutations(target[0]))

    def joined(members: list[tuple[str, str]]) -> str:
        colon = draw(st.sampled_from([": ", ":", " : ", ":\t"]))
        comma = draw(st.sampled_from([", ", ",", " ,"]))
        end = draw(st.sampled_from([""] * 9 + [",", ", ", ",\t", ",\r"]))
        return "{" + comma.join(k + colon + v for k, v in members) + draw(SPACE) + end + "}"

    if payload != "absent":
        text = joined(target[1]) if payload == "object" else "null"
        target[0].insert(draw(st.integers(0, len(target[0]))), ('"data"', text))
    text = draw(SPACE) + joined(target[0]) + draw(SPACE)
    text += draw(st.sampled_from([""] * 12 + ["}", ",", "x", "{}", "//", "\x00"]))
    cut = draw(st.integers(0, 60))
    return (text[:-cut] if 0 < cut < 4 else text).encode()


REGULAR = {
    "object": "fine_tuning.job.event",
    "id": "ftevent-AbCdEfGhIjKlMnOpQrStUvWx",
    "created_at": 1_700_000_000,
    "level": "info",
    "message": "Step 1/2: training loss=0.50",
    "type": "metrics",
    "data": {"step": 1, "total_steps": 2, "train_loss": 0.5},
}

FEW: Keys = ("step", "total_steps", "train_loss")


@examples(100)
@given(raws=st.lists(texts(), min_size=1, max_size=12), keys=st.sampled_from([ALL_KEYS, FEW]))
def test_regular_records_are_read_exactly(reader: Reader, raws: list[bytes], keys: Keys) -> None:
    """What the quick reader calls regular it reads as the exact one does, at every edge of JSON.

    Whichever known keys it asks for.
    """
    agree(reader, raws, keys)


@pytest.mark.parametrize("extra", ["", '"x": 1', '"x": "y"', '"x": null', '"x": [{"y": "z"}]'])
def test_each_word_in_each_place(reader: Reader, extra: str) -> None:
    """No word in the place of a value is misread, nor where an unknown key makes up its quotes."""
    event = dict(REGULAR)
    places = [*((name, None) for name in event), *(("data", name) for name in event["data"])]
    for outer, inner in places:
        raws = []
        for word in (*STRINGS, *NUMBERS, *WORDS):
            changed = event | {outer: event["data"] | {inner: "@"} if inner else "@"}
            text = json.dumps(changed).replace('"@"', word)
            raws.append(text.encode())
            if extra:
                first, inside = "{" + extra + ", ", '"data": {' + extra + ", "
                raws.append(text.replace("{", first, 1).encode())
                raws.append(text.replace('"data": {', inside).encode())
        agree(reader, raws)


@pytest.mark.parametrize("key", ["x", "step", "valid_loss", "ste\\u0070", "data"])
def test_each_word_in_a_payload_without_numbers(reader: Reader, key: str) -> None:
    """Nothing that may be a number, nor a known key, is passed over, however deep it lies."""
    texts = []
    for word in (*STRINGS, *NUMBERS, *WORDS):
        for payload in ("{@}", '{"x": false, @}', '{"x": {@}}', '{"x": [{"y": "z"}, {@}]}'):
            member = payload.replace("@", f'"{key}": {word}')
            bare = payload.replace("{@}", f"[{word}]")
            texts += [member, bare, member.replace(": ", ":"), f"{member} "]
    event = json.dumps(REGULAR | {"data": "@"})
    agree(reader, [event.replace('"@"', text).encode() for text in texts])


@pytest.mark.parametrize("key", ["data", "x"])
@pytest.mark.parametrize("between", ["", '"tobject": "fine_tuning.job.event", ', '"x": 1, '])
def test_a_second_payload(reader: Reader, key: str, between: str) -> None:
    """What lies between two objects is not passed over as if it were inside of one."""
    event = {name: value for name, value in REGULAR.items() if name != "object"}
    for payload in ({"error_code": "a", "error_param": None}, {"x": [{"y": "z"}]}, {}):
        text = json.dumps(event | {"data": payload})
        twice = f'{text[:-1]}, {between}"{key}": {json.dumps(payload)}}}'
        agree(reader, [twice.encode(), twice.replace('"data"', '"x"', 1).encode()])


@pytest.mark.parametrize("depth", [1, 90, 500, 3_000])
def test_depth_of_a_payload(reader: Reader, depth: int) -> None:
    """What is nested too deep for the exact reader is so for the quick one."""
    event = json.dumps(REGULAR | {"data": "@"})
    said = agree(reader, [event.replace('"@"', f'{{"x": {"[" * depth}{"]" * depth}}}').encode()])
    assert bool(said.rows) == (depth < 100)


@examples(35)
@given(data=st.data())
def test_events_are_read_exactly(reader: Reader, data: st.DataObject) -> None:
    """Events of every kind of payload, in every spelling, are read the same both ways."""
    raws = [
        spelled(data.draw, data.draw(events(n, azure=data.draw(st.booleans())))).encode()
        for n in range(data.draw(st.integers(1, 8)))
    ]
    agree(reader, raws)


@examples(40)
@example(raws=[json.dumps(REGULAR).encode()], foul=b"\xff", at=json.dumps(REGULAR).index("Step"))
@given(
    raws=st.lists(st.one_of(texts(), st.binary(max_size=30)), min_size=1, max_size=6),
    foul=st.binary(min_size=1, max_size=3),
    at=st.integers(0, 200),
)
def test_foul_bytes_stay_in_their_record(
    reader: Reader, raws: list[bytes], foul: bytes, at: int
) -> None:
    """Bytes that are no UTF-8 spoil the record they stand in and none beside it."""
    raws = [raw.replace(b"\n", b" ") for raw in raws]
    raws[0] = raws[0][:at] + foul.replace(b"\n", b" ") + raws[0][at:]
    agree(reader, raws)


@examples(200)
@given(
    changes=st.dictionaries(st.sampled_from([*EVENT_FIELDS, "messages"]), JSON_VALUES, max_size=3),
    data=st.dictionaries(st.sampled_from([*COUNTERS, *METRICS]), JSON_VALUES, max_size=3),
)
def test_any_json_gets_a_verdict(changes: dict[str, Any], data: dict[str, Any]) -> None:
    """Whatever JSON a record is, it is judged: no value ends an ingest."""
    verdict = exact.read(json.dumps(REGULAR | {"data": data} | changes).encode())
    assert isinstance(verdict, exact.Verdict)
    if isinstance(verdict, exact.Reject):
        assert verdict.reason in REJECT_REASONS


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"data": None},
        {"data": {}},
        {"type": "message", "message": "Fine-tuning job started"},
        {"level": "warn"},
        {"id": f"ftevent-{5:032x}"},
        {"data": dict.fromkeys(METRICS, 0.25)},
        {"data": {"error_code": "invalid_file", "error_param": None}, "level": "error"},
        {"data": {"results": [{"flagged": False, "category": "a/b"}], "id": "ft:gpt-4o:x::Ab1"}},
    ],
    ids=str,
)
def test_common_events_take_the_quick_way(reader: Reader, change: dict[str, Any]) -> None:
    """Events as the APIs write them are regular: none of them waits for the exact reader."""
    event = REGULAR | change
    absent = {name: value for name, value in event.items() if name != "data"}
    said = agree(reader, [json.dumps(event).encode(), json.dumps(absent).encode()])
    assert len(said.rows) == 2 and not said.odd


def test_misfits_keep_their_place(reader: Reader) -> None:
    """Strings that spell numbers are numbers; other values of metrics are misfits, kept in data."""
    data = {"step": "7", "train_loss": " 0.5", "valid_loss": "n/a", "total_steps": 1.5,
            "train_mean_reward": True, "full_valid_loss": None}  # fmt: skip
    said = agree(reader, [json.dumps(REGULAR | {"data": data}).encode()])
    (odd,) = said.odd
    assert isinstance(odd.verdict, exact.Event)
    assert odd.verdict.counters == {"step": 7} and odd.verdict.metrics == {"train_loss": 0.5}
    assert sorted(odd.verdict.misfits) == ["total_steps", "train_mean_reward", "valid_loss"]
    assert odd.verdict.other_metrics == {"total_steps": 1.5}
    assert odd.verdict.data == json.dumps(data)


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("word", ["NaN", "nan", "Infinity", "inf", " INF "])
def test_words_that_spell_no_finite_number_are_floats(reader: Reader, word: str, sign: str) -> None:
    """NaN and infinities as strings, as strict JSON has to write them, are floats too."""
    text = word.replace(word.strip(), sign + word.strip())
    said = agree_nan(reader, json.dumps(REGULAR | {"data": {"train_loss": text}}).encode())
    assert str(said["train_loss"]) == str(float(text))


@pytest.mark.parametrize("word", ["", "n/a", "none", "infinite", "--inf", "nan(1)", "1_0", "0x1p3"])
def test_other_words_are_misfits(reader: Reader, word: str) -> None:
    """What only looks like a number's spelling, or only Python takes for one, is a misfit."""
    said = agree(reader, [json.dumps(REGULAR | {"data": {"train_loss": word}}).encode()])
    (odd,) = said.odd
    assert isinstance(odd.verdict, exact.Event)
    assert odd.verdict.misfits == ["train_loss"] and not odd.verdict.metrics


def test_not_a_number_is_a_float(reader: Reader) -> None:
    """Bare NaN and infinities, as Python writes them, are floats of their metric."""
    data = {"train_loss": math.nan, "valid_loss": math.inf, "full_valid_loss": -math.inf}
    said = agree_nan(reader, json.dumps(REGULAR | {"data": data}).encode())
    assert math.isnan(said["train_loss"])
    assert (said["valid_loss"], said["full_valid_loss"]) == (math.inf, -math.inf)


def agree_nan(reader: Reader, raw: bytes) -> dict[str, float]:
    """The metrics of one odd record."""
    (odd,) = reader(block([raw])).odd
    assert isinstance(odd.verdict, exact.Event)
    return odd.verdict.metrics


@pytest.mark.parametrize(
    ("data", "leaves"),
    [
        ({"a": {"b": 1, "c": [2, 3]}}, {"a/b": 1, "a/c/0": 2, "a/c/1": 3}),
        ({"a/b": 1, "c~d": 2}, {"a~1b": 1, "c~0d": 2}),
        (
            {"g": [{"name": "x", "v": 1}, {"name": "x", "v": 2}, {"v": 3}]},
            {"g/x/v": 1, "g/x#2/v": 2, "g/2/v": 3},
        ),
        (
            {"g": [{"name": n, "v": v} for n, v in (("a", 1), ("a", 2), ("a#2", 3))]},
            {"g/a/v": 1, "g/a#2/v": 2, "g/a#2#2/v": 3},
        ),
        ({"t": "5", "f": True, "n": None, "e": [], "o": {}}, {}),
    ],
    ids=str,
)
def test_other_numbers(data: dict[str, Any], leaves: dict[str, float]) -> None:
    """Every other number of a payload is a leaf under its path, lists by name or index."""
    verdict = exact.read(json.dumps(REGULAR | {"data": data}).encode())
    assert isinstance(verdict, exact.Event) and verdict.other_metrics == leaves
