"""Credentials in bytes that are kept without being understood, such as those of rejects.

Only what is hardly ever anything else: the bytes are evidence, and may be events one day. An
archive's `redaction` goes by many more names, in objects whose fields it knows.
"""

from __future__ import annotations

import re

_WORDS = (
    b"api_key",
    b"api-key",
    b"apikey",
    b"access",
    b"auth",
    b"credential",
    b"passw",
    b"secret",
    b"sk-",
)
_CREDENTIAL = re.compile(
    rb"""
    (?P<name>
        (?:api[_-]?key | access[_-]?(?:key|token) | auth[_-]?token | authorization | credentials?
         | passw(?:or)?d | secret(?:[_-]?key)?)
        [\\"']{0,9} \s{0,9} [:=] [\s\[\\"']{0,9} (?:(?:bearer|basic) \s{1,9})?
    )
    (?P<value> (?![0-9]+ (?:[\s,\]}]|$)) [^\s"'\\,;\[\]{}]{8,})
    | (?<![a-z0-9]) sk-[a-z0-9_-]{16,}
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""A value under a name that only credentials have, or a key of OpenAI's by its shape. Every part
but the last of each is bounded: bytes are hostile, and may be many."""


def masked(raw: bytes) -> bytes:
    """The bytes with asterisks in the place of credentials, as many as they were long."""
    lowered = raw.lower()
    if not any(word in lowered for word in _WORDS):
        return raw
    return _CREDENTIAL.sub(_asterisks, raw)


def beginning(text: str) -> str:
    """The first 60 characters of a text, masked before they are cut."""
    known = masked(text[:500].encode("utf-8", "surrogatepass"))
    return known.decode("utf-8", "surrogatepass")[:60]


def _asterisks(found: re.Match[bytes]) -> bytes:
    name: bytes = found["name"] or b""
    return name + b"*" * (len(found[0]) - len(name))
