"""Text of events that cannot command what shows it: a terminal, a page, a picture."""

from __future__ import annotations

import json
import re

# C0, DEL and C1 controls, direction marks and overrides, zero-width and line separators, halves of
# surrogate pairs, tag characters: all that moves a cursor or shows a text as another.
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    r"\ud800-\udfff\U000e0000-\U000e007f]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def inert(text: str) -> str:
    r"""The text with control and direction characters spelled out, as in ``\x1b``."""
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_spell, text)


def inert_json(text: str) -> str:
    r"""One line of JSON, equal as JSON, with every such character as a ``\u001b`` escape.

    White space between tokens, where alone a tab may stand as it is, becomes a space.
    """
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_spell_json, text)


def _spell(match: re.Match[str]) -> str:
    char = match[0]
    if char in _SHORT:
        return _SHORT[char]
    point = ord(char)
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}"


def _spell_json(match: re.Match[str]) -> str:
    return " " if match[0] in _SHORT else json.dumps(match[0])[1:-1]
