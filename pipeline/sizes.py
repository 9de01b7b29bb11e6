"""Sizes of memory and of records as people write them."""

from __future__ import annotations

import re
from fractions import Fraction

_SIZE = re.compile(r"\s*(\d{1,18}(?:\.\d{1,18})?)\s*(?:([kmgt])(ib?|b)?|b)?\s*", re.IGNORECASE)


def byte_count(text: str) -> int | None:
    """The bytes of a size; None where the text is none, or not even a byte.

    MB is decimal and MiB binary, as are kB and KiB, GB and GiB, TB and TiB. A letter alone, as in
    64k or 2G, is binary. There may be fractions: 1.5GiB.
    """
    if not (found := _SIZE.fullmatch(text)):
        return None
    number, letter, rest = found.groups()
    base = 1000 if (rest or "").lower() == "b" else 1024
    return int(Fraction(number) * base ** " kmgt".index((letter or " ").lower())) or None
