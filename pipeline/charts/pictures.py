"""Charts kept with a picture of themselves, for notebooks that are read where nothing runs."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

from pipeline.extras import extra

SPEC = "application/vnd.vegalite.v6+json"
"""The type under which a notebook keeps the chart itself, beside image/png."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def keep_pictures(scale: float = 1.0) -> None:
    """Let Altair give a notebook each chart as a picture and as its specification.

    The picture is what GitHub and a mail show; the specification is what a test can compare.

    Args:
        scale: pixels of the picture for each of the chart.

    Raises:
        LakeError: Altair or vl-convert is not installed.
    """
    alt = extra("altair", "keep_pictures")
    convert = extra("vl_convert", "keep_pictures")

    def drawn(spec: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {SPEC: spec, "image/png": smaller(convert.vegalite_to_png(spec, scale=scale))}

    alt.renderers.register("tunelog", drawn)
    alt.renderers.enable("tunelog")


def smaller(png: bytes) -> bytes:
    """The same picture in a quarter of the bytes: its pixels compressed as hard as zlib can."""
    chunks = list(_chunks(png))
    pixels = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    packed = iter([(b"IDAT", zlib.compress(pixels, 9))])
    out = [_SIGNATURE]
    for kind, body in chunks:
        if kind == b"IDAT":
            kind, body = next(packed, (b"", b""))
        if kind:
            crc = struct.pack(">I", zlib.crc32(kind + body))
            out += [struct.pack(">I", len(body)), kind, body, crc]
    return b"".join(out)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The parts of a PNG: kind and content."""
    place = len(_SIGNATURE)
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        yield png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        place += 12 + length
