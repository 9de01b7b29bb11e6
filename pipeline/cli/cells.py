"""Arrow values as text: exact for machines, readable for people, inert for terminals.

Every function takes one column of a record batch and returns one text per row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from pipeline.errors import UsageError
from pipeline.figures import duration, or_name, significant
from pipeline.inert import inert, inert_json

_ENCODER = json.JSONEncoder(ensure_ascii=False)
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_TURN = 146_097 * 86_400
"""Four hundred years of the calendar [s]."""
_FIRST, _END = -62_135_596_800, 253_402_300_800
"""The years 1 to 9999 [s since 1970]."""
_INFINITE = 2**63 - 1
_DURATION = re.compile(r"(^|_)(seconds|duration|elapsed)$")


def is_numeric(kind: pa.DataType) -> bool:
    """Whether a column of this type is read as numbers and set flush right."""
    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether values of this type may be cut short in a table and still tell the truth."""
    return not (is_numeric(kind) or pt.is_boolean(kind) or pt.is_temporal(kind))


def exact(array: pa.Array) -> list[str | None]:
    r"""Each value as text that loses nothing; NULL is None.

    Times with a zone are ISO 8601 in UTC with ``Z``, floats the shortest text that reads back the
    same (``NaN``, ``Infinity``, ``-Infinity``), lists, structs and maps JSON, bytes the text that
    they are in UTF-8; else ``\xaa`` stands for those that are none, and ``\x5c`` for a backslash.
    """
    array = _storage(array)
    try:
        return _exact(array)
    except (OverflowError, ValueError, pa.ArrowException):
        kind = re.sub(r"<.*", "", str(array.type))
        raise UsageError(
            f"sql: a {kind} holds a value that cannot be written: cast it to varchar"
        ) from None


def _exact(array: pa.Array) -> list[str | None]:
    kind = array.type
    if _is_string(kind):
        return list(array.to_pylist())
    if pt.is_boolean(kind):
        return [None if v is None else "true" if v else "false" for v in array.to_pylist()]
    if pt.is_floating(kind):
        return [None if v is None else str(or_name(v)) for v in array.to_pylist()]
    if pt.is_timestamp(kind):
        return list(_iso_times(array).to_pylist())
    if pt.is_integer(kind):
        return [None if v is None else str(v) for v in array.to_pylist()]
    if pt.is_decimal(kind) or pt.is_date(kind) or pt.is_time(kind):
        texts = list(array.cast(pa.string()).to_pylist())
        if any(text and text[0] == "<" for text in texts):  # <value out of range: ...>
            raise ValueError
        return texts
    if _is_binary(kind):
        return [None if v is None else _bytes_text(v) for v in array.to_pylist()]
    if pt.is_interval(kind):
        return [None if v is None else _iso_interval(v) for v in array.to_pylist()]
    if pt.is_nested(kind):
        return [None if v is None else inert_json(_json(v, kind)) for v in array.to_pylist()]
    return [None if v is None else str(v) for v in array.to_pylist()]


def json_texts(array: pa.Array) -> list[str]:
    """Each value as JSON text: numbers as they are, maps and structs as objects.

    Values that JSON does not have are strings: times (ISO 8601), bytes, and the non-finite floats
    ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``, which are no null.
    """
    array = _storage(array)
    kind, texts = array.type, exact(array)
    if pt.is_floating(kind):
        return ["null" if t is None else f'"{t}"' if t[-1] in "Ny" else t for t in texts]
    if is_numeric(kind) or pt.is_boolean(kind) or pt.is_nested(kind):
        return ["null" if t is None else t for t in texts]
    return ["null" if t is None else inert_json(encode_basestring(t)) for t in texts]


def readable(array: pa.Array, name: str) -> list[str]:
    """Each value for the eye: 4 significant digits, ``1h 02m``, times in UTC, NULL as nothing.

    Args:
        array: The column.
        name: Its name; ``seconds``, ``*_seconds`` and the like are shown as durations.
    """
    array = _storage(array)
    kind = array.type
    if is_numeric(kind) and _DURATION.search(name):
        return ["" if v is None else duration(float(v)) for v in array.to_pylist()]
    if pt.is_interval(kind):
        return ["" if v is None else _span(v) for v in array.to_pylist()]
    if pt.is_floating(kind) or (pt.is_decimal(kind) and kind.scale > 0):
        return ["" if v is None else significant(float(v)) for v in array.to_pylist()]
    if _is_binary(kind):
        raw = (b"" if v is None else v for v in array.to_pylist())
        return [inert(v.decode("utf-8", "backslashreplace")) for v in raw]
    texts = exact(array)
    if pt.is_timestamp(kind):
        return ["" if t is None else t.replace("T", " ") for t in texts]
    return ["" if t is None else inert(t) for t in texts]


def _storage(array: pa.Array) -> pa.Array:
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    return array.dictionary_decode() if pt.is_dictionary(array.type) else array


def _is_string(kind: pa.DataType) -> bool:
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    checks = (pt.is_binary, pt.is_large_binary, pt.is_binary_view, pt.is_fixed_size_binary)
    return any(check(kind) for check in checks)


def _iso_times(array: pa.Array) -> pa.Array:
    import pyarrow.compute as pc  # takes longer to import than a short answer to print

    kind = array.type
    zone = "Z" if kind.tz else ""
    per_second = _PER_SECOND[kind.unit]
    numbers = array.cast(pa.int64())
    ends = pc.min_max(numbers)
    if any(
        end is not None and (abs(end) == _INFINITE or not _FIRST <= end // per_second < _END)
        for end in ends.as_py().values()
    ):
        return pa.array([_far_time(v, per_second, zone) for v in numbers.to_pylist()], pa.string())
    if kind.tz:
        array = pc.cast(array, pa.timestamp(kind.unit, "UTC"))
    texts = pc.strftime(array, format="%Y-%m-%dT%H:%M:%S")
    texts = pc.replace_substring_regex(texts, r"(\.\d*?)0+$", r"\1")
    return pc.replace_substring_regex(texts, r"\.?$", zone)


def _far_time(value: int | None, per_second: int, zone: str) -> str | None:
    """A time as text, in any year; the calendar repeats itself after 400 of them."""
    if value is None or abs(value) == _INFINITE:
        return None if value is None else "infinity" if value > 0 else "-infinity"
    seconds, rest = divmod(value, per_second)
    turns, within = divmod(seconds, _TURN)
    moment = datetime(1970, 1, 1) + timedelta(seconds=within)
    part = f".{rest:0{len(str(per_second)) - 1}}".rstrip("0").rstrip(".") if rest else ""
    year = moment.year + 400 * turns
    return f"{'-' * (year < 0)}{abs(year):04}{moment:-%m-%dT%H:%M:%S}{part}{zone}"


def _iso_interval(value: Any) -> str:
    seconds = Decimal(value.nanoseconds).scaleb(-9).normalize()
    return f"P{value.months}M{value.days}DT{seconds:f}S"


def _span(value: Any) -> str:
    """An interval as a duration; of months, which have no length, as it is."""
    if value.months:
        return _iso_interval(value)
    return duration(value.days * 86_400 + value.nanoseconds / 1e9)


def _bytes_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.replace(b"\\", rb"\x5c").decode("utf-8", "backslashreplace")


def _json(value: Any, kind: pa.DataType) -> str:
    if value is None or isinstance(value, bool | int | str):
        return _ENCODER.encode(value)
    if pt.is_map(kind):
        return _object({str(k): _json(v, kind.item_type) for k, v in value})
    if pt.is_struct(kind) and isinstance(value, Mapping):
        return _object({field.name: _json(value[field.name], field.type) for field in kind})
    if pt.is_nested(kind) and isinstance(value, list):
        return f"[{', '.join(_json(v, kind.value_type) for v in value)}]"
    if isinstance(value, float):
        return _ENCODER.encode(or_name(value))
    text = exact(pa.array([value], kind))[0]
    return str(text) if pt.is_decimal(kind) else _ENCODER.encode(text)


def _object(members: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{_ENCODER.encode(key)}: {text}' for key, text in members.items())}}}"
