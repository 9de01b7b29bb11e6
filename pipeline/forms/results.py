"""Result files: CSV, plain or as base64 text, to blocks of records, one JSON object a row.

What events call otherwise keeps the file's name here; `companions` knows both.
"""

from __future__ import annotations

import base64
import binascii
import csv
import json
import re
from collections.abc import Iterable, Iterator

import numpy as np

from pipeline.companions import result_columns
from pipeline.contract import METRICS, RESULT_NAMES, RESULT_OBJECT
from pipeline.forms.block import Block
from pipeline.forms.compression import Ahead
from pipeline.forms.lines import MARK, Readable, line_blocks
from pipeline.shapes import NUMBER

_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]{8,}")
_PLAIN = re.compile(rb"[0-9.,eE\r\n+-]+")
_PIECE = 1 << 20
_LONG = 18
"""Characters of a float that may be no whole number any more, as 2**53 is none."""


class Broken64(Exception):
    """Text in base64 that goes wrong somewhere."""


def is_results(head: bytes) -> bool:
    """Whether some content begins as a result file does: with a header that has step and metrics.

    Args:
        head: the first bytes, at least one line of them.
    """
    return _header(_decoded(head) if _is_base64(head) else head) is not None


def result_blocks(stream: Readable, max_record_bytes: int, *, offset: int = 0) -> Iterator[Block]:
    """Cut a result file into its rows, block by block; the header is no record.

    A good row becomes a JSON object that calls itself `contract.RESULT_OBJECT`; any other stays as
    it is. Offsets are those of the CSV text, which base64 may hold.

    Raises:
        Broken64: the content is base64 that goes wrong.
    """
    head = b""
    while b"\n" not in head[1:] and len(head) < _PIECE and (piece := stream.read(_PIECE)):
        head += piece
    source: Readable = Ahead(stream, head)
    if _is_base64(head):
        source = _Decoder(source)
    names: list[str] | None = None
    for block in line_blocks(source, max_record_bytes, offset=offset, block_bytes=_PIECE):
        first = 0
        if names is None:
            names, first = _header(block.raw(0)) or [], 1
        if len(block) > first:
            yield _rows(block, names, first)


class _Decoder:
    """The content of a base64 text, its line breaks passed over."""

    def __init__(self, stream: Readable) -> None:
        self._stream, self._carry = stream, b""
        self._ready = b""

    def read(self, size: int, /) -> bytes:
        while not self._ready and (piece := self._stream.read(_PIECE)):
            text = self._carry + b"".join(piece.split())
            whole = len(text) // 4 * 4
            self._ready, self._carry = _decode(text[:whole]), text[whole:]
        if not self._ready and self._carry:
            raise Broken64("base64 that breaks off: fetch the file again")
        found, self._ready = self._ready[:size], self._ready[size:]
        return found


def _decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Broken64(f"base64 that goes wrong ({error}): fetch the file again") from None


def _is_base64(head: bytes) -> bool:
    return _BASE64.fullmatch(head[:64]) is not None and b"," not in head[:64]


def _decoded(head: bytes) -> bytes:
    text = b"".join(head.removeprefix(MARK).split())
    try:
        return _decode(text[: len(text) // 4 * 4])
    except Broken64:
        return b""


def _header(line: bytes) -> list[str] | None:
    """The names of the columns, if a step and metrics are among them."""
    line = line.removeprefix(MARK).split(b"\n", 1)[0]
    try:
        names = [name.strip() for name in _cells(line.decode("utf-8"))]
    except (UnicodeDecodeError, csv.Error):
        return None
    known = [n for n in names if n in METRICS or n in RESULT_NAMES or "/" in n]
    return names if names.count("step") == 1 and known and len(set(names)) == len(names) else None


def _cells(line: str) -> list[str]:
    return next(csv.reader([line.rstrip("\r\n")], strict=True), [])


def _rows(block: Block, names: list[str], first: int) -> Block:
    """The rows of a block of lines as records."""
    oversize = {index - first: over for index, over in block.oversize.items() if index >= first}
    text = block.data[block.bounds[first] :].tobytes()
    many = _PLAIN.fullmatch(text) and not oversize and "object" not in names
    plain = _plain_rows(text.decode("ascii"), names) if many else None
    if plain is not None:
        raws, told = plain
    else:
        rows = (block.raw(index) for index in range(first, len(block)))
        raws = [row if n in oversize else _row(row, names) for n, row in enumerate(rows)]
        told = []
    return Block(
        np.frombuffer(b"".join(raws), dtype=np.uint8),
        np.cumsum([0, *map(len, raws)]),
        max(block.position - 1, 0),
        block.offsets[first:],
        oversize=oversize,
        unterminated=block.unterminated,
        told=told,
    )


def _plain_rows(text: str, names: list[str]) -> tuple[list[bytes], list[str | None]] | None:
    """What `_row` makes of lines of digits and commas, and what each tells, column by column.

    Returns:
        Records, and as many contents as `companions.result_row` would give them, or None; nothing
        where any line is no row.
    """
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    cells = [line.split(",") for line in lines]
    if text.count("\r") > text.count("\r\n") or set(map(len, cells)) != {len(names)}:
        return None
    try:
        columns = dict(zip(names, map(_written, zip(*cells, strict=True)), strict=True))
    except ValueError:
        return None
    if not all(step.removeprefix("-").isdigit() for step in columns["step"]):
        return None
    opening = f'{{"object": {json.dumps(RESULT_OBJECT)}'
    raws = [f"{opening}{row}}}\n".encode() for row in _members(columns)]
    kept = {called: columns[name] for called, name in result_columns(names).items()}
    if not kept:
        return raws, [None] * len(raws)
    alone = len(', "step": ')
    return raws, [
        f"{{{row[2:]}}}" if len(row) > alone + len(step) else None
        for row, step in zip(_members(kept), columns["step"], strict=True)
    ]


def _members(columns: dict[str, list[str]]) -> list[str]:
    """The members of JSON objects, a comma before each, from columns of numbers, some empty."""
    parts = []
    for name, numbers in columns.items():
        member = f", {json.dumps(name, ensure_ascii=False)}: "
        parts.append([member + number if number else number for number in numbers])
    return list(map("".join, zip(*parts, strict=True)))


def _row(raw: bytes, names: list[str]) -> bytes:
    """A row as a JSON object of its numbers; as it is where it is no row."""
    try:
        cells = [cell.strip() for cell in _cells(raw.decode("utf-8"))]
    except (UnicodeDecodeError, csv.Error):
        return raw
    if len(cells) != len(names) or not all(NUMBER.fullmatch(cell) for cell in cells if cell):
        return raw
    numbers = {n: _value(cell) for n, cell in zip(names, cells, strict=True) if cell}
    if not isinstance(numbers.get("step"), int):
        return raw
    return json.dumps({"object": RESULT_OBJECT} | numbers, ensure_ascii=False).encode() + b"\n"


def _value(cell: str) -> int | float:
    number = float(cell)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _written(cells: Iterable[str]) -> list[str]:
    """Finite numbers as `_value` and JSON have them; an empty cell stays one.

    Raises:
        ValueError: a cell is no finite number.
    """
    texts = [repr(float(cell)) if cell else cell for cell in cells]
    if "inf" in texts or "-inf" in texts:
        raise ValueError
    return [_whole(text) if text.endswith(".0") else text for text in texts]


def _whole(text: str) -> str:
    return text[:-2] if len(text) < _LONG and text != "-0.0" else repr(_value(text))
