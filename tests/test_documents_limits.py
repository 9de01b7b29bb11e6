"""JSON documents that are broken, deep, or larger than what may be held."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
import xxhash
from dumps import A, a_page, an_event, an_exchange, records_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import examples

from pipeline import shapes
from pipeline.contract import REJECT_PREFIX_BYTES
from pipeline.forms import window
from pipeline.forms.documents import document_blocks


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    "frame", [a_page(1, 2), [an_event(1), an_event(2)], {"job": A, "events": [an_event(1)]}]
)
def test_cut_anywhere(frame: Any, indent: int | None) -> None:
    """Cut off anywhere, a document keeps its events and ends with one reject that says so."""
    raw = json.dumps(frame, indent=indent, ensure_ascii=False).encode()
    whole = records_of(raw)
    ends = [o + len(r.rstrip()) for o, r in zip(whole.offsets, whole.raws, strict=True)]
    for size in range(1, len(raw)):
        for block_bytes in (17, 4 << 20):
            records = records_of(raw[:size], block_bytes=block_bytes)
            events = sum(end <= size for end in ends)
            assert records.kinds == ["Event"] * events + ["cut_off"], raw[:size]
            for index in range(events):
                assert records.raws[index].rstrip() == whole.raws[index].rstrip()
            rest = records.raws[-1]
            assert raw[records.offsets[-1] :].startswith(rest)
            assert raw[:size].rstrip().endswith(rest) or rest in (b"[", b"{")


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ('[E, {"id": 1,}, E]', ["Event", "malformed_json"]),
        ("[E E]", ["Event", "malformed_json"]),
        ("[E, E,]", ["Event", "Event", "malformed_json"]),
        ("[E] ]", ["Event", "malformed_json"]),
        ("[E], E] E", ["Event", "Event", "malformed_json"]),
        ("E,, E", ["Event", "malformed_json"]),
        ("[E, undefined]", ["Event", "malformed_json"]),
        ("[E, 'x']", ["Event", "malformed_json"]),
        ('{"data": [E] "has_more": 1}', ["Event", "malformed_json"]),
        ('{"data": [E], has_more: 1}', ["Event", "malformed_json"]),
        ('{"data" [E]}', ["malformed_json"]),
        ('{"a": 1} garbage', ["unknown_object", "malformed_json"]),
        ("[E\n E", ["Event", "Event", "malformed_json"]),
        ('E {"data": [E, E}', ["Event", "Event", "Event", "malformed_json"]),
        ("E [E, E, x", ["Event", "Event", "Event", "malformed_json"]),
        ('[E] [[1, {"a": 2}, x', ["Event", "malformed_json"]),
        ("[E,\n{1},\nE\n]", ["Event", "malformed_json", "Event", "malformed_json"]),
        ("{1: [E]}", ["malformed_json"]),
    ],
)
def test_malformed(text: str, kinds: list[str]) -> None:
    """What is not JSON is one reject with all that follows; what came before is kept."""
    raw = text.replace("E", json.dumps(an_event())).encode()
    for block_bytes in (1, 100, 4 << 20):
        records = records_of(raw, block_bytes=block_bytes)
        assert records.kinds == kinds
        if records.raws[-1] != b"[":
            assert raw.endswith(records.raws[-1])
            assert records.offsets[-1] == len(raw) - len(records.raws[-1])


ODD = (('"step": 2', '"step": 2x'), ('"step": 2', '"step": 2,'), ('"step": 2', '"step": nan'),
       ('"step": 2', '"step": 2 // here it rose\n'), ('"data": {', '"data" {'))  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(("sound", "odd"), ODD)
@pytest.mark.parametrize("steps", [(2, 1, 3), (1, 2, 3), (1, 3, 2), (2, 2, 1, 2, 3, 2), (2,)])
def test_an_odd_event_of_an_array_is_a_reject_alone(
    indent: int | None, sound: str, odd: str, steps: tuple[int, ...]
) -> None:
    """An event that is no JSON, though its brackets are whole, costs no other of its page."""
    for frame in (a_page(*steps) | {"url": f"/jobs/{A}/events"}, [an_event(n) for n in steps]):
        text = json.dumps(frame, indent=indent)
        broken = re.sub(r'(\{[^{}]*"data": \{[^{}]*"step": 2\b[^{}]*\}[^{}]*\})',
                        lambda event: event[0].replace(sound, odd), text)  # fmt: skip
        for block_bytes in (1, 100, 4 << 20):
            records = records_of(broken, block_bytes=block_bytes)
            if steps == (2,):
                assert records.kinds == ["malformed_json"] and records.raws[0] in broken.encode()
                continue
            kinds = ["malformed_json" if step == 2 else "Event" for step in steps]
            assert records.kinds == kinds
            kept = [raw for raw, kind in zip(records.raws, kinds, strict=True) if kind == "Event"]
            assert [json.loads(raw)["data"]["step"] for raw in kept] == [s for s in steps if s != 2]
            if isinstance(frame, dict) and block_bytes > 100:
                assert records.streams == [(0, (A,), False)]


@pytest.mark.parametrize("other", ['{"x": 1}', "E", json.dumps({"object": "fine_tuning.job"})])
def test_what_a_broken_array_held_is_in_the_reject(other: str) -> None:
    """What was read of an array without events, before it broke off, is kept with its rest."""
    for block_bytes in (1, 100, 4 << 20):
        event = json.dumps(an_event(1))
        odd = event.replace('"step": 1', '"step": nan')
        rest = f'], "others": [{other.replace("E", odd)}, {{"y" 2}}], "has_more": false}}'
        records = records_of('{"events": [' + event + rest, block_bytes=block_bytes)
        assert records.kinds == ["Event", "malformed_json"]
        assert records.raws[1].decode() == rest


def test_an_odd_event_stays_where_no_other_stands_beside_it() -> None:
    """Odd events alone in their array are kept, though events stand elsewhere in the document."""
    odd = json.dumps(an_event(2)).replace('"step": 2', '"step": nan')
    text = f'{{"late": [{odd}], "events": [{json.dumps(an_event(1))}]}}'
    assert records_of(text).kinds == ["malformed_json", "Event"]
    text = text.replace('{"late"', '{"object": "diary", "late"')
    assert records_of(text).kinds == ["malformed_json", "Event"]


def test_quotes_that_are_missing_twice_take_no_event_out_of_another() -> None:
    """Where brackets and quotes tell a wrong end, what is nested in an event stays in it."""
    inner = [an_event(8, id="nested"), an_event(9, id="nested")]
    text = json.dumps(a_page(1) | {"data": [an_event(1), an_event(2, data={"all": inner})]})
    first, around, inside, rest = re.split(r'(?<=, )(?="data": \{"[sa])', text, maxsplit=3)
    records = records_of(f'{first}{around}"{inside}"{rest}')
    assert records.kinds == ["Event", "malformed_json"]


@examples(60)
@given(data=st.data(), indent=st.sampled_from([None, 2]), block_bytes=st.sampled_from([1, 4 << 20]))
def test_what_an_odd_event_holds_is_no_event_of_its_page(
    data: st.DataObject, indent: int | None, block_bytes: int
) -> None:
    """Wherever a page breaks, nothing nested in an event, or in a text of it, is taken out."""
    inner = [an_event(8, id="nested"), an_event(9, id="nested")]
    texts = st.sampled_from(["plain", '"}, {"', "}}, [{", json.dumps(inner), "]}", '\\"{'])
    page = a_page(1, 2, 3, 4)
    for event in page["data"]:
        event["message"] = data.draw(texts)
        event["data"] = data.draw(st.sampled_from([{"step": 1}, {"all": inner}, {"in": {"a": 1}}]))
    text = json.dumps(page, indent=indent)
    kinds = re.findall(r'"object": "fine_tuning.job.event",', text)
    for _ in range(data.draw(st.integers(1, 2))):
        places = [at for at, char in enumerate(text) if char in '{}[]",:\\']
        at = data.draw(st.sampled_from(places))
        put = data.draw(st.sampled_from(["", '"', "}", "{", "]", ",", "x"]))
        text = text[:at] + put + text[at + data.draw(st.booleans()) :]
    assume(re.findall(kinds[0], text) == kinds)  # what calls itself another thing may hold events
    records = records_of(text, block_bytes=block_bytes)
    for raw, kind in zip(records.raws, records.kinds, strict=True):
        assert kind != "Event" or json.loads(raw)["id"] != "nested"
        assert raw.rstrip() in text.encode()
    assert sum(len(raw.rstrip()) for raw in records.raws) <= len(text)


GARBAGE = ("curl: (28) timed out", "502 {bad", "</html>", "---", "# page 2", "]", '"', "\xff", "}{")


@examples(60)
@given(
    documents=st.lists(
        st.tuples(st.sampled_from(["page", "array", "event", "body"]), st.sampled_from([None, 2])),
        min_size=1,
        max_size=4,
    ),
    between=st.lists(st.lists(st.sampled_from(GARBAGE), max_size=2), min_size=5, max_size=5),
    block_bytes=st.sampled_from([1, 100, 4 << 20]),
    joint=st.sampled_from(["\n", ",\n", "\r\n"]),
)
def test_what_lies_between_documents_stops_none(
    documents: list[tuple[str, int | None]], between: list[list[str]], block_bytes: int, joint: str
) -> None:
    """Lines that are no JSON are rejects by themselves: every document around them is read."""
    makers = {
        "page": lambda n: a_page(n, n + 1),
        "array": lambda n: [an_event(n), an_event(n + 1)],
        "event": an_event,
        "body": lambda n: an_exchange(A, a_page(n)),
    }
    pieces, wanted = [], 0
    for number, ((kind, indent), garbage) in enumerate(zip(documents, between, strict=False)):
        pieces.append(json.dumps(makers[kind](10 * number), indent=indent) + joint)
        pieces.extend(f"{line}\n" for line in garbage)
        wanted += 2 if kind in ("page", "array") else 1
    records = records_of("".join(pieces).encode("latin-1"), block_bytes=block_bytes)
    assert records.kinds.count("Event") == wanted
    lost = [raw for raw, kind in zip(records.raws, records.kinds, strict=True) if kind != "Event"]
    told = "".join(line for garbage in between[: len(documents)] for line in garbage)
    assert re.sub(r"[\s,]", "", b"".join(lost).decode("latin-1")) == re.sub(r"[\s,]", "", told)


@pytest.mark.parametrize("indent", [None, 1])
def test_a_document_cut_off_hides_no_other(indent: int | None) -> None:
    """Cut off anywhere, a document takes nothing of the one that begins on the next line."""
    raw = json.dumps(a_page(1, 2), indent=indent).encode()
    whole = records_of(raw)
    ends = [o + len(r.rstrip()) for o, r in zip(whole.offsets, whole.raws, strict=True)]
    behind = b"\n" + json.dumps(a_page(3, 4), indent=indent).encode()
    for size in range(1, len(raw)):
        for block_bytes in (17, 4 << 20):
            records = records_of(raw[:size] + behind, block_bytes=block_bytes)
            events = sum(end <= size for end in ends) + 2
            assert records.kinds.count("Event") == events, raw[:size]
            assert len(records.kinds) > events, raw[:size]


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"object": "list", "data": [\nE,', "[1,\n[2,"])
def test_documents_that_all_break_take_no_square_of_time(opening: str) -> None:
    """Each swallows all that follow: they are read again some times, and then no more."""
    records = records_of(f"{opening}\n".replace("E", json.dumps(an_event())) * 2_000)
    assert 0 < len(records.kinds) - records.kinds.count("Event") < 40


def test_parts_of_a_broken_document_name_nobody() -> None:
    """What follows a broken document may be a part of it: it tells no page whose it is."""
    job = json.dumps({"object": "fine_tuning.job", "id": A, "status": "failed"})
    for text, named in (f"E\n[1, 2\n{job}\nE", []), (f"[E]\nno JSON\n{job}\n$ curl\n[E]", [4]):
        records = records_of(text.replace("E", json.dumps(an_event())))
        assert records.kinds.count("Event") == 2
        assert [at for at, jobs, _ in records.streams if at and A in jobs][-1:] == named


def test_what_is_too_long_between_documents() -> None:
    """Over the limit, what is no JSON is kept by its beginning and hash; what follows is read."""
    page, long = json.dumps(a_page(1)).encode(), b"x" * 9_000
    for block_bytes in (17, 4 << 20):
        records = records_of(b"\n".join([page, long, page]), 4_000, block_bytes=block_bytes)
        assert records.kinds == ["Event", "malformed_json", "Event"]
        assert records.offsets[1] == len(page) + 1
        (over,) = records.oversize.values()
        assert (over.length, over.hash) == (len(long), xxhash.xxh3_128_hexdigest(long))


def test_damage_keeps_evidence() -> None:
    """A broken document's events keep what named their job before the break."""
    records = records_of(json.dumps({"job": A, "events": [an_event(1), an_event(2)]})[:-150])
    assert records.streams == [(0, (A,), False)]
    assert records.kinds == ["Event", "cut_off"]


def test_deep() -> None:
    """Nesting without end is a reject and stops nothing."""
    event = json.dumps(an_event())
    for depth in (99, 101, 500, 5_000, 200_000):
        deep = "[" * depth + "]" * depth
        records = records_of(f"[{event}, {deep}, {event}] {event}")
        assert records.kinds[0] == "Event" and records.kinds[-2:] == ["Event", "Event"]
        assert len(records.raws) == 4
        records = records_of("[" * depth + event + "]" * depth)
        assert records.kinds in (["Event"], ["too_deep"], ["Container"])
        assert records.kinds == ["Event"] or depth > 98
        records = records_of('{"a":' * depth + event + "}" * depth + event)
        assert records.kinds[-1] == "Event" and len(records.kinds) == 2
        assert records_of("[" * depth).kinds in (["cut_off"], ["too_deep"])


def test_what_never_ends_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where brackets never close, those around them are not searched for an odd event as well."""
    searched = []

    def end(brackets: Any, text: bytes) -> int | None:
        searched.append(len(text))
        return found(brackets, text)

    found = window._Brackets.end
    monkeypatch.setattr(window._Brackets, "end", end)
    for opening in ("[", '{"a":[', '[{"a":'):
        records_of(opening * 1_000 + json.dumps(an_event())[:-1])
    assert len(searched) < 20


@given(st.binary(max_size=200) | st.text('[]{},:"\\ \n\n\ne1tE', max_size=60))
@settings(max_examples=600)
def test_any_bytes(raw: bytes | str) -> None:
    """Any bytes end in records, never in a crash, and whatever the size of blocks in the same."""
    if isinstance(raw, str):
        raw = raw.replace("E", json.dumps(an_event())).encode()
    records = records_of(raw)
    assert bool(records.raws) == bool(raw.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n"))
    small = records_of(raw, block_bytes=3)
    assert [r.strip() for r in small.raws] == [r.strip() for r in records.raws]
    assert (small.offsets, small.streams, small.kinds) == (
        records.offsets, records.streams, records.kinds
    )  # fmt: skip


class _Counting(io.BytesIO):
    """A stream that knows how far it was read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.taken += len(piece)
        return piece


@pytest.mark.parametrize("wrap", ["[%s]", '{"job_id": "J", "data": [%s]}', '[1, {"data": [%s]}]'])
def test_streaming(wrap: str) -> None:
    """A document far over the limit passes through little memory, with what named it before."""
    events = [json.dumps(an_event(n)) for n in range(4_000)]
    source = _Counting((wrap % ", ".join(events)).encode())
    seen = position = 0
    jobs = []
    for block in document_blocks(source, 100_000, block_bytes=20_000):
        position += len(block)
        jobs += [mark.jobs for mark in block.marks]
        assert source.taken - int(block.offsets[-1]) < 450_000
        seen += sum(shapes.is_event(json.loads(block.raw(i))) for i in range(len(block))
                    if block.raw(i).strip() != b"1")  # fmt: skip
        assert len(block.data) < 25_000
    assert seen == 4_000 and position == 4_000 + wrap.startswith("[1")
    assert jobs[-1] == (("J",) if "J" in wrap else ())


def test_large_records() -> None:
    """A record over the limit is told by a prefix, length and hash; those around it are read."""
    long = an_event(2, message="x" * 300_000)
    nested = an_event(3, data={"a": [{"b": ']}\\"' * 60_000}]})
    big = dict(reversed(an_event(4, message="y" * 300_000).items()))
    raws = [json.dumps(x) for x in (an_event(1), long, an_event(5), nested, big, an_event(6))]
    for text in ("[" + ", ".join(raws) + "]", "\n".join(raws)):
        for block_bytes in (1_000, 70_000, 4 << 20):
            records = records_of(text, limit=100_000, block_bytes=block_bytes)
            assert sorted(records.oversize) == [1, 3, 4]
            for index, over in records.oversize.items():
                raw = raws[index].encode()
                assert (over.length, over.hash) == (len(raw), xxhash.xxh3_128_hexdigest(raw))
                assert raw.startswith(records.raws[index].strip())
                assert len(records.raws[index]) <= REJECT_PREFIX_BYTES + 1
                assert text.encode()[records.offsets[index] :].startswith(raw)
            assert [records.kinds[i] for i in (0, 2, 5)] == ["Event"] * 3


def test_large_rest() -> None:
    """The rest of a broken document over the limit is one reject that is not held whole."""
    text = "[" + json.dumps(an_event(1)) + ", oops " + "z" * 500_000 + " \n"
    for block_bytes in (1_000, 4 << 20):
        records = records_of(text, limit=100_000, block_bytes=block_bytes)
        rest = text[text.index("oops") :].strip().encode()
        over = records.oversize[1]
        assert (over.length, over.hash) == (len(rest), xxhash.xxh3_128_hexdigest(rest))


def test_rest_of_an_array() -> None:
    """What stands behind the break of an array is of its stream, however much was let go before."""
    text = "[" + ", ".join(json.dumps(an_event(n)) for n in range(1, 100)) + ", {oops}]"
    blocks = list(document_blocks(io.BytesIO(text.encode()), 1_000, block_bytes=1))
    assert sum(map(len, blocks)) == 100
    assert [mark.position for block in blocks for mark in block.marks] == [0]


def test_what_stands_behind_a_large_array() -> None:
    """Where an array of events ends at the limit, what may wait is let go before what follows."""
    events = json.dumps([an_event(n) for n in range(1, 20)])
    text = f'{{"data": {events}, "pages": [1, 2, 3]}}'
    for limit in range(len(events) - 40, len(events) + 5):
        records = records_of(text, limit=limit, block_bytes=100)
        assert records.kinds == ["Event"] * 19
