"""What msgspec says of the elements of an array: are they JSON, objects, events?"""

from __future__ import annotations

from typing import Any

import msgspec

from pipeline.shapes import tells_event

_ABSENT = msgspec.Raw()


class _Element(msgspec.Struct, gc=False):
    object: Any = None
    id: msgspec.Raw = _ABSENT
    message: msgspec.Raw = _ABSENT
    created_at: msgspec.Raw = _ABSENT
    level: msgspec.Raw = _ABSENT


_decode = msgspec.json.Decoder(list[_Element]).decode


def leading(elements: bytes) -> int | None:
    """How many elements of an array are events, up to the first that is none.

    Returns:
        None where not all are objects, or where this reader is stricter than Python's.
    """
    try:
        found = _decode(b"[" + elements + b"]")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    for index, one in enumerate(found):
        placed = one.created_at is not _ABSENT or one.level is not _ABSENT
        if not tells_event(one.object, has_message=one.message is not _ABSENT, is_placed=placed):
            return index
        if not isinstance(one.object, str) and (
            one.id is _ABSENT
            or one.created_at is _ABSENT
            or bytes(one.message)[1:].lstrip()[:1] in (b"{", b"[")
        ):
            return index  # a logger's entry around an event, maybe
    return len(found)
