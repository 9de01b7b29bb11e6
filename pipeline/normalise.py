"""Records to events and verdicts: the engine reads what is regular, `exact` the odd few."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import exact
from pipeline.contract import COUNTERS, EVENT_OBJECT, METRICS
from pipeline.forms.block import Block, Ints
from pipeline.sqlfiles import sql_text

_QUOTE, _COMMA, _OPEN, _CLOSE = b'",{}'
_WHITE = np.isin(np.arange(256), (9, 10, 13, 32))
_PIECE = 1 << 20
_TIMES = (1e8, 253_402_300_799.0)
_EXACT = 2.0**53

LEVELS = ("info", "warn", "error")
TYPES = ("message", "metrics")
OBJECTS = (EVENT_OBJECT,)
DIALECTS = ("openai", "azure")
_KEPT = ("event_id", "message", *METRICS)
_CODED = {"level": LEVELS, "type": TYPES, "object": OBJECTS, "dialect": DIALECTS}

BODY = ("event_id", "created_at", "level", "type", "message", *COUNTERS, *METRICS,
        "other_metrics", "data", "extra", "misfits", "object", "dialect")  # fmt: skip
"""Columns of an event that its record alone tells."""


@dataclass
class Odd:
    """A record that was read exactly.

    Attributes:
        index: of the record in its block.
        verdict: what it is.
    """

    index: int
    verdict: exact.Verdict


@dataclass
class Normalised:
    """What a block of records says.

    Attributes:
        index: int64[n], the record of each regular event.
        columns: Arrow arrays[n] of the regular events, under the names of `BODY`.
        id_hash: uint64[n], of the event ids.
        odd: the other records.
    """

    index: Ints
    columns: dict[str, pa.Array]
    id_hash: npt.NDArray[np.uint64]
    odd: list[Odd]


class _Feed:
    """The records of the moment: a prepared query reads anew from it at each run."""

    records = pa.table({"raw": pa.array([], pa.string())})

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.records.__arrow_c_stream__(requested_schema)


class Normaliser:
    """Turns blocks into events. One per thread: it owns a connection, to be closed."""

    def __init__(self) -> None:
        """Open an engine of its own that touches no file and no network."""
        self._con = duckdb.connect(config={"threads": 1, "enable_external_access": False})
        self._feed = _Feed()
        self._con.register("records", self._feed)
        # Binding the query takes longer than running it on a block: do it once.
        self._con.execute(f"prepare strict as {_regular_sql(tolerant=False)}")
        self._con.execute(f"prepare tolerant as {_regular_sql(tolerant=True)}")

    def hashes(self, ids: Sequence[str]) -> npt.NDArray[np.uint64]:
        """The engine's hash of event ids, as `Normalised.id_hash` holds it."""
        table = pa.table({"id": pa.array(ids, pa.string())})
        return self._con.from_arrow(table).project("hash(id) as h").to_arrow_table()["h"].to_numpy()

    def close(self) -> None:
        """Close the engine."""
        self._con.unregister("records")
        self._con.close()

    def __call__(self, block: Block) -> Normalised:
        """Read a block of records."""
        shape = _shape(block)
        raw = pa.StringArray.from_buffers(
            len(block), pa.py_buffer(block.bounds.astype(np.int32)), pa.py_buffer(shape.data)
        )
        said = self._ask(pa.table({"raw": raw}))
        regular = _regular(block, shape, said)
        columns = {name: said[name] for name in _KEPT}
        columns["created_at"] = said["created_at"].cast(pa.int64(), safe=False)
        for name in COUNTERS:
            columns[name] = said[name].cast(pa.int64(), safe=False)
        for name, words in _CODED.items():
            columns[name] = pa.DictionaryArray.from_arrays(
                pc.if_else(pc.less(said[name], 0), None, said[name]), pa.array(words)
            )
        columns["data"] = shape.payloads(raw, _mask(said["null_payload"]))
        id_hash = said["id_hash"].to_numpy()
        index = np.flatnonzero(regular)
        if len(index) < len(block):
            keep = pa.array(regular)
            columns = {name: column.filter(keep) for name, column in columns.items()}
            id_hash = id_hash[regular]
        odd = [_read_odd(block, int(i)) for i in np.flatnonzero(~regular)]
        return Normalised(index, columns, id_hash, odd)

    def _ask(self, records: pa.Table) -> dict[str, pa.Array]:
        self._feed.records = records
        try:
            table = self._con.sql("execute strict").to_arrow_table()
        except duckdb.InvalidInputException:
            table = self._con.sql("execute tolerant").to_arrow_table()
        columns = table.combine_chunks().columns
        return dict(zip(table.column_names, (_one(c) for c in columns), strict=True))


@dataclass
class _Shape:
    """What a block's bytes tell before they are parsed.

    Attributes:
        data: the bytes the engine may see.
        quotes: int32[n], quotes per record.
        flat: bool[n], one object with at most one flat object inside, no comma before a bracket.
        nested: bool[n], whether there is that inner object.
        inner: int64[2, n], where it begins and ends in `data`.
    """

    data: npt.NDArray[np.uint8]
    quotes: npt.NDArray[np.int32]
    flat: npt.NDArray[np.bool_]
    nested: npt.NDArray[np.bool_]
    inner: Ints

    def payloads(self, raw: pa.Array, null: npt.NDArray[np.bool_]) -> pa.Array:
        """The inner objects' texts as sent; 'null' where the payload is a null."""
        count = len(raw)
        # The buffer cut into what lies between the payloads (even) and the payloads (odd).
        cuts = np.zeros(2 * count + 1, dtype=np.int32)
        cuts[1::2], cuts[2::2] = self.inner
        pieces = pa.StringArray.from_buffers(2 * count, pa.py_buffer(cuts), raw.buffers()[2])
        chosen = pa.array(np.arange(1, 2 * count, 2), mask=~(self.nested & self.flat))
        texts = pieces.take(chosen)
        return pc.if_else(pa.array(null), "null", texts) if null.any() else texts


def _shape(block: Block) -> _Shape:
    data, bounds = block.data, block.bounds
    foul = _not_utf8(block)
    if len(foul):
        data = data.copy()
        for index in foul:
            data[bounds[index] : bounds[index + 1]] = 32
    quotes, brackets = _marks(data, bounds)
    first = np.searchsorted(brackets, bounds)
    count = np.diff(first)
    first = first[:-1]
    nested = count == 4
    flat = nested | (count == 2)
    kinds = data[brackets]
    padded = np.concatenate([brackets, np.zeros(4, dtype=brackets.dtype)])
    kinds = np.concatenate([kinds, np.zeros(4, dtype=kinds.dtype)])
    flat &= kinds[first] == _OPEN
    flat &= kinds[first + 1] == np.where(nested, _OPEN, _CLOSE)
    flat &= ~nested | ((kinds[first + 2] == _CLOSE) & (kinds[first + 3] == _CLOSE))
    commas = _trailing_commas(data, brackets)
    if len(commas):
        flat[np.searchsorted(bounds, commas, side="right") - 1] = False
    inner = np.stack([padded[first + 1], padded[first + 2] + 1])
    inner[:, ~(nested & flat)] = bounds[:-1][~(nested & flat)]
    return _Shape(data, quotes, flat, nested, inner)


def _marks(data: npt.NDArray[np.uint8], bounds: Ints) -> tuple[npt.NDArray[np.int32], Ints]:
    """Quotes per record, and where brackets stand; in pieces that stay in the cache."""
    cuts = np.unique(np.searchsorted(bounds, np.arange(0, len(data), _PIECE)))
    quotes, brackets = [], []
    for low, high in zip(cuts, [*cuts[1:], len(bounds) - 1], strict=True):
        begin = bounds[low]
        piece = data[begin : bounds[high]]
        if not len(piece):
            continue
        quotes.append(np.add.reduceat(piece == _QUOTE, bounds[low:high] - begin, dtype=np.int32))
        found = np.flatnonzero((((piece | 0x20) - _OPEN) & 0xFD) == 0)  # [ ] { }
        found += begin
        brackets.append(found)
    return np.concatenate(quotes), np.concatenate(brackets)


def _trailing_commas(data: npt.NDArray[np.uint8], brackets: Ints) -> Ints:
    """Where a comma stands before a closing bracket: the engine lets it pass, JSON does not."""
    before = brackets[(data[brackets] & 0x07) == 0x05] - 1  # ] is 0x5d, } is 0x7d
    before = before[before >= 0]
    white = _WHITE[data[before]]
    while white.any():
        before[white] -= 1
        white &= before >= 0
        white &= _WHITE[data[before]]
    return before[data[before] == _COMMA]


def _regular(block: Block, shape: _Shape, said: dict[str, pa.Array]) -> npt.NDArray[np.bool_]:
    """Which records are read right by the engine, beyond doubt."""
    regular = shape.flat & _mask(said["plain"])
    regular &= shape.nested == _mask(said["has_payload"])
    regular &= shape.quotes == _expected_quotes(said)
    created_at = said["created_at"].fill_null(-1).to_numpy()
    regular &= (created_at >= _TIMES[0]) & (created_at <= _TIMES[1])
    regular &= created_at == np.floor(created_at)
    regular &= said["level"].fill_null(-1).to_numpy() >= 0
    for name in ("type", "object"):
        regular &= said[name].fill_null(0).to_numpy() >= 0
    boolean = np.zeros(len(block), dtype=bool)
    for name in (*COUNTERS, *METRICS):
        column = said[name]
        if column.null_count == len(column):
            continue
        number = column.fill_null(0.5).to_numpy()
        regular &= np.isfinite(number)
        boolean |= (number == 0) | (number == 1)
        if name in COUNTERS:
            number = column.fill_null(0).to_numpy()
            regular &= (number == np.floor(number)) & (np.abs(number) < _EXACT)
    # The engine reads true as 1: look at the text of records with a 1 or a 0.
    for index in map(int, np.flatnonzero(boolean & regular)):
        payload = shape.data[shape.inner[0, index] : shape.inner[1, index]].tobytes()
        regular[index] = b"true" not in payload and b"false" not in payload
    for index in block.oversize:
        regular[index] = False
    return regular


def _expected_quotes(said: dict[str, pa.Array]) -> npt.NDArray[np.int32]:
    """Quotes of the known fields: two a key, two a text.

    An unknown or repeated key, a null, a number sent as a string, a quote inside a text each
    bring more, and nothing takes any away.
    """
    quotes = np.full(len(said["event_id"]), 14, dtype=np.int32)  # id, created_at, level, message
    for name, given in (("type", 4), ("object", 4), *((n, 2) for n in (*COUNTERS, *METRICS))):
        nulls = said[name].null_count
        if nulls == 0:
            quotes += given
        elif nulls < len(quotes):
            quotes += given * said[name].is_valid().to_numpy(zero_copy_only=False)
    quotes += 2 * (_mask(said["has_payload"]) | _mask(said["null_payload"]))
    return quotes


def _mask(column: pa.Array) -> npt.NDArray[np.bool_]:
    return column.fill_null(False).to_numpy(zero_copy_only=False)


def _not_utf8(block: Block) -> Sequence[int]:
    """Indices of records that are not UTF-8."""
    text = block.data.tobytes()
    if text.isascii():
        return ()
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return ()
    foul = []
    for index in range(len(block)):
        try:
            block.raw(index).decode("utf-8")
        except UnicodeDecodeError:
            foul.append(index)
    return foul


def _read_odd(block: Block, index: int) -> Odd:
    over = block.oversize.get(index)
    if over is not None:
        detail = f"{over.length} bytes: raise --max-record-bytes to read it"
        return Odd(index, exact.Reject("too_large", detail))
    last = index in block.open_ends or (block.unterminated and index == len(block) - 1)
    return Odd(index, exact.read(block.raw(index), last=last))


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


@cache
def _regular_sql(tolerant: bool) -> str:
    """The query over a block; the tolerant one survives malformed records, at a price."""
    names = (*COUNTERS, *METRICS)
    lists = {
        "payload": "{" + ", ".join(f'"{n}": "DOUBLE"' for n in names) + "}",
        "metrics": ", ".join(f"d.{n} as {n}" for n in names),
    }
    text = sql_text("normalise/regular")
    for name, words in lists.items():
        text = text.replace("{" + name + "}", words)
    if tolerant:
        text = re.sub(r"json_transform\((.*?'\s*)\)", r"try(json_transform(\1))", text, flags=re.S)
    return text
