"""Credentials in bytes that are kept without being understood, such as those of rejects.

Only what is hardly ever anything else: the bytes are evidence, and may be events one day. An
archive's `redaction` goes by many more names, in objects whose fields it knows.
"""

from __future__ import annotations

import re

_CREDENTIAL = re.compile(
    rb"""
    (?P<name>
        (?:(?:api|access|account|private|subscription)[\s_-]?key | (?:access|auth|session)[_-]?token
         | authorization | credentials? | passw(?:or)?d | passphrase | secret(?:[_-]?key)?)
        [\\"']{0,9} \s{0,9} [:=] [\s\[]{0,9} (?P<quote> [\\"']{1,9})? (?:[a-z]{2,12} \s{1,9})?
    )
    (?![0-9]+ (?:[\s,\]}]|$)) (?(quote) [^"'\\\r\n]{8,} | [^\s"'\\,;\[\]{}]{8,})
    | (?P<variable> (?<=[a-z0-9])_(?:token|key|secret|pat) = ["']? | [?&]sig=) [^\s"'\\&,;]{8,}
    | (?P<cookie> cookie [\\"']{0,9} \s{0,9} [:=] [\s\[\\"']{0,9}) [^"'\\\r\n]{8,}
    | (?P<bearer> (?<![a-z0-9]) bearer \s{1,9}) [a-z0-9._~+/=-]{16,}
    | (?P<user> :// [^\s/:@"'\\]{0,99} :) [^\s/:@"'\\]{1,199} (?=@)
    | (?P<pem> -----begin [a-z ]{0,30} private [ ] key-----) [a-z0-9+/=\\\s]{16,}
    | (?<![a-z0-9]) (?:sk-|hf_|gh[oprsu]_|github_pat_|glpat-|xox[abprs]-|akia|aiza) [a-z0-9_-]{16,}
    | (?<![a-z0-9]) eyj [a-z0-9_-]{9,400} \. [a-z0-9_-]{9,} \. [a-z0-9_-]{9,}
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""A value under a name that only credentials have, or a key by its shape: OpenAI's, those of the
hubs and clouds beside it, signed tokens. The last group of a match is what stands before it, and
stays. Every part but the last of each is bounded: bytes are hostile, and may be many."""
_BEGINNINGS = re.compile(
    rb"a(?=pi|cc(?:ess|ount)|uth|kia|iza)|p(?=rivate|assw|assphrase)"
    rb"|s(?=ubscription|ession|ecret|k-)|c(?=ookie|redential)|_(?=(?:token|key|secret|pat)=)"
    rb"|[?&](?=sig=)|b(?=earer)|:(?=//)|-(?=----begin)|h(?=f_)|g(?=h[oprsu]_|ithub_pat_|lpat-)"
    rb"|x(?=ox[abprs]-)|e(?=yj)"
)
"""Where a credential may begin, in lower case: the engine of `re` skips to the letters that these
parts begin with, yet tries each part of the other pattern at every byte."""


def masked(raw: bytes, instead: bytes | None = None) -> bytes:
    """The bytes with something else in the place of credentials: asterisks, as many as they were
    long, unless another mark is given."""
    kept: list[bytes] = []
    end = 0
    for place in _BEGINNINGS.finditer(raw.lower()):
        if place.start() < end or not (found := _CREDENTIAL.match(raw, place.start())):
            continue
        kept += raw[end : found.start()], _hidden(found, instead)
        end = found.end()
    return b"".join([*kept, raw[end:]])


def beginning(text: str) -> str:
    """The first 60 characters of a text, masked before they are cut."""
    known = masked(text[:500].encode("utf-8", "surrogatepass"))
    return known.decode("utf-8", "surrogatepass")[:60]


def _hidden(found: re.Match[bytes], instead: bytes | None) -> bytes:
    before: bytes = found[found.lastgroup] if found.lastgroup else b""
    value = found[0][len(before) :]
    if instead is None:
        return before + b"*" * len(value)
    return found[0] if instead in value else before + instead
