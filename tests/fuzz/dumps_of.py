"""Mutated records as files, each with what an independent reader finds in it."""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from mutations import bytes_changed, mutated
from seeds import Seeds
from verdicts import EVENTS, WHITE, Verdict, events_in, judged, meant, parsed

from pipeline.zstd import zstd

MARK = b"\xef\xbb\xbf"
_ID = re.compile(rb'("id"\s*:\s*")(ftevent-[0-9A-Za-z]+)"')
_PACK = {"": bytes, ".gz": lambda data: gzip.compress(data, 1, mtime=0), ".zst": zstd.compress}


@dataclass
class Place:
    """A record of a file: where it lies, its bytes, what it is."""

    position: int
    offset: int
    raw: bytes
    verdict: Verdict


_AROUND = WHITE + MARK.decode("latin-1")
_BESIDE = ("", " ", "\t", "\r", MARK.decode("latin-1"))


def apart(line: bytes) -> list[bytes]:
    """A line, or the objects that stand one behind another on it, a mark or a space apart."""
    text = line.decode("latin-1")
    parts, begin = [], 0
    while (rest := text[begin:].lstrip(_AROUND)).startswith("{"):
        at = len(text) - len(rest)
        try:
            _, end = json.JSONDecoder(parse_int=float).raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        if not any(text.startswith(f'{gap}{{"', end) for gap in _BESIDE):
            break
        parts.append(line[begin:end])
        begin = end
    return [*parts, line[begin:]]


@dataclass
class Fuzzed:
    """One file of mutated input.

    Attributes:
        path: where it lies.
        content: what it holds, decompressed, as far as that goes.
        inputs: how many records or dumps were mutated for it.
        damaged: it is compressed and damaged.
    """

    path: Path
    content: bytes
    inputs: int
    damaged: bool = False
    _lines: list[Place] = field(default_factory=list)

    def lines(self) -> list[Place]:
        """Its lines, read one by one."""
        if not self._lines:
            at = len(MARK) if self.content.startswith(MARK) else 0
            pieces = self.content[at:].split(b"\n")
            last = pieces.pop()
            for number, line in enumerate([*pieces, last] if last else pieces):
                parts = apart(line)
                for raw in parts:
                    closing = number == len(pieces) and raw is parts[-1]
                    verdict = judged(raw, last=closing)
                    self._lines.append(Place(len(self._lines), at, raw, verdict))
                    at += len(raw)
                at += 1
        return self._lines

    def document_events(self) -> tuple[list[Verdict], bool]:
        """The events of its documents, up to where they break; whether they are whole."""
        return document_events(self.content.removeprefix(MARK))


def files(folder: Path, seeds: Seeds, random: Random, inputs: int) -> Iterator[Fuzzed]:
    """Files that hold so many mutated inputs in all."""
    numbers, left, names = count(random.randrange(10**6) * 10**6), inputs, count()
    while left > 0:
        place = folder / f"{next(names):05}"
        kind = random.choices(["lines", "whole", "packed"], [5, 70, 25])[0]
        if kind == "lines":
            wanted = min(left, random.choice([5, 100, 300, 600]))
            made = _of_lines(place, seeds, random, wanted, numbers)
        elif kind == "whole":
            content = mutated(
                random.choice(seeds.documents), random.choice(seeds.documents), random
            )
            made = _written(place, content, "", 1)
        else:
            made = _of_packed(place, seeds, random, numbers)
        left -= made.inputs
        yield made


def of_records(path: Path, good: list[bytes], records: list[bytes]) -> Fuzzed:
    """A file of good events, so that it is known for lines, and then of any records."""
    content = b"\n".join([*good, *records]) + b"\n"
    path.write_bytes(content)
    return Fuzzed(path, content, len(records))


def _of_lines(
    place: Path, seeds: Seeds, random: Random, wanted: int, numbers: Iterator[int]
) -> Fuzzed:
    """Two good events, then mutated records, a line or more each."""
    ending = random.choice([b"\n", b"\n", b"\r\n"])
    records = [_renumbered(raw, next(numbers)) for raw in _good(seeds, random, 2)]
    for _ in range(wanted):
        raw, other = (random.choice(seeds.records) for _ in range(2))
        if random.random() < 0.8:
            raw = _renumbered(raw, next(numbers))
        records.append(mutated(raw, other, random))
    content = random.choice([b"", b"", MARK]) + ending.join(records)
    content += random.choice([ending, ending, b""])
    return _written(place, content, random.choice(["", "", "", ".gz", ".zst"]), wanted)


def _of_packed(place: Path, seeds: Seeds, random: Random, numbers: Iterator[int]) -> Fuzzed:
    """Good events, compressed; then the compressed bytes are mutated."""
    packing = random.choice([".gz", ".zst"])
    records = [_renumbered(raw, next(numbers)) for raw in _good(seeds, random, 9)]
    members = [_PACK[packing](b"\n".join(records[at : at + 3]) + b"\n") for at in (0, 3, 6)]
    packed = bytes_changed(b"".join(members), _PACK[packing](records[0]), random)
    path = place.with_suffix(f".jsonl{packing}")
    path.write_bytes(packed)
    content, damaged = unpacked(packed)
    return Fuzzed(path, content, 1, damaged)


def _written(place: Path, content: bytes, packing: str, inputs: int) -> Fuzzed:
    path = place.with_suffix(f".jsonl{packing}")
    path.write_bytes(_PACK[packing](content))
    return Fuzzed(path, content, inputs)


def _good(seeds: Seeds, random: Random, wanted: int) -> list[bytes]:
    """Records that are events, whole."""
    found: list[bytes] = []
    while len(found) < wanted:
        raw = random.choice(seeds.records)
        if judged(raw).kind == "event":
            found.append(raw)
    return found


def _renumbered(raw: bytes, number: int) -> bytes:
    """A record with an id of its own, of the same dialect."""

    def other(found: re.Match[bytes]) -> bytes:
        digits = len(found[2]) - len("ftevent-")
        return found[1] + b"ftevent-" + f"{number:0{digits}}".encode() + b'"'

    return _ID.sub(other, raw, count=1)


def unpacked(packed: bytes) -> tuple[bytes, bool]:
    """What compressed bytes still hold, told by the libraries alone; whether they are damaged."""
    if packed.startswith(b"\x1f\x8b\x08"):
        make: Any = lambda: zlib.decompressobj(31)  # noqa: E731
    elif packed.startswith(b"\x28\xb5\x2f\xfd"):
        make = zstd.ZstdDecompressor
    else:
        return packed, False
    content, inner, at = b"", make(), 0
    try:
        while at < len(packed):
            if inner.eof:
                while make is not zstd.ZstdDecompressor and packed[at : at + 1] == b"\0":
                    at += 1
                inner = make()
                continue
            content += inner.decompress(packed[at : at + 1])
            at += 1
    except (zlib.error, zstd.ZstdError):
        return content, True
    return content, not inner.eof


# -- documents -------------------------------------------------------------------------------------


FOUL = "\uf8f7"
"""Stands for bytes that are not UTF-8."""
codecs.register_error("foul", lambda error: (FOUL, error.end))  # type: ignore[attr-defined]


class Found(list[Verdict]):
    """Events in their order; behind which place of a text the next ones are looked for."""

    taken = 0


def document_events(content: bytes) -> tuple[list[Verdict], bool]:
    """The events of JSON documents one after another, broken ones among them; are all whole?"""
    text = content.decode("utf-8", "foul")
    found, at, all_whole = Found(), _space(text, 0), True
    opening = re.compile(r'\n(?=[{\["])' if text[at : at + 1] == '"' else r"\n(?=[{\[])")
    while True:
        at = _space(text, at)
        while text.startswith("\ufeff", at):
            at = _space(text, at + 1)
        if at >= len(text):
            return found, all_whole
        known, start = len(found), at
        at, whole = _value(text, at, found, loose=True, whole_document=True)
        at = _space(text, at)
        if whole:
            at += text[at : at + 1] == ","
            continue
        all_whole = False
        at = _space(text, found.taken) if len(found) > known else start
        if len(found) > known and text[at : at + 1] == ",":
            at = _space(text, at + 1)
        elif len(found) > known and opening.match(text, at - 1):
            continue
        following = opening.search(text, at)
        at = following.end() if following else len(text)


_DECODER = json.JSONDecoder(parse_int=float)


def _space(text: str, at: int) -> int:
    while at < len(text) and text[at] in WHITE:
        at += 1
    return at


def _value(
    text: str, at: int, found: Found, *, loose: bool, whole_document: bool = False
) -> tuple[int, bool]:
    """Read the value at a place, its events into `found`: where it ends, whether it is whole."""
    try:
        _, end = _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        # a broken object inside others is one reject, with all that lies in it
        if text[at : at + 1] == "[" or (whole_document and text[at : at + 1] == "{"):
            known, taken = len(found), found.taken
            closed = _members(text, at, found, loose=loose)
            if not any(verdict.kind == "event" for verdict in found[known:]):
                found[known:] = [ODD] if closed else []
                found.taken = closed or taken
            return (closed, True) if closed else (at, False)
        return at, False
    value = parsed(text[at:end])
    for verdict in events_in(value, loose=loose):
        if FOUL in json.dumps(verdict.value, ensure_ascii=False):
            verdict = Verdict("reject", {"invalid_utf8"}, value=verdict.value)
        found.append(verdict)
        # of something with events inside, what follows the last of them is not taken
        found.taken = end if value is verdict.value or isinstance(value, str) else end - 1
    return end, True


def _members(text: str, at: int, found: Found, *, loose: bool) -> int:
    """The events in an object or array that is not whole; where it ends, if events in it are odd.

    An event of an array is odd if it is broken and its brackets and quotes are whole.
    """
    closing, keys = "}" if text[at] == "{" else "]", dict[Any, Any]()
    at = _space(text, at + 1)
    while at < len(text):
        if closing == "}":
            try:
                key, at = _DECODER.raw_decode(text, at)
            except ValueError:
                return 0
            at = _space(text, at)
            if text[at : at + 1] != ":":
                return 0
            at = _space(text, at + 1)
        begin, known = at, len(found)
        at, whole = _value(text, at, found, loose=loose)
        if closing == "}" and whole and isinstance(key, str):
            keys[key] = [{}] if text[begin] == "[" else parsed(text[begin:at])
        if closing == "}" and meant(keys, loose=loose):  # what is in a broken event is of it
            del found[known:]
            return 0
        if closing == "]" and not whole and (end := _odd_end(text, begin)):
            found.append(ODD)
            at, found.taken, whole = end, end, True
        at = _space(text, at)
        if whole and text[at : at + 1] == closing:
            return at + 1
        if not whole or text[at : at + 1] != ",":
            return 0
        at = _space(text, at + 1)
    return 0


ODD = Verdict("reject", {"malformed_json", "invalid_utf8"})


def _odd_end(text: str, at: int) -> int:
    """Where an odd event of an array ends, counted bracket by bracket; 0 where none stands."""
    depth, quoted, escaped = 0, False, False
    for index in range(at, len(text) if text[at] == "{" else at):
        letter = text[index]
        if escaped or (quoted and letter == "\\"):
            escaped = not escaped
        elif letter == '"':
            quoted = not quoted
        elif not quoted and letter in "{[":
            depth += 1
        elif not quoted and letter in "]}":
            depth -= 1
            if depth == 0:
                event, after = text[at : index + 1], _space(text, index + 1)
                follows = text[after : after + 1]
                if follows == ",":
                    follows = text[_space(text, after + 1) :][:1].replace("[", "")
                kinds = sum(event.count(f'"{kind}"') for kind in EVENTS)
                lone = kinds == 1 and "\n{" not in event and "\n[" not in event
                return index + 1 if lone and follows in ("]", "{") else 0
    return 0
