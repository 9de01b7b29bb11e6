"""Which names in a job object are those of credentials, and what under them may be one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_LAST = re.compile(
    r".*(?:secret|passw(?:or)?d|passphrase|token|credential|authorization|cookie|bearer"
    r"|(?:api|access|account|private|secret|signing|encryption)key)s?"
    r"|(?:key|pwd|auth|oauth|cred|jwt|pat|dsn|otp)s?"
)
"""Last word of such a name, in lower case."""
_ENDS = re.compile(r".*(?:connection_?strings?|access_key_id|webhook_urls?)")
_FORMS = frozenset(
    ("value", "values", "text", "string", "raw", "plain", "plaintext", "data", "content", "json",
     "pem", "base64", "b", "env", "header", "headers", "v")
)  # fmt: skip
"""What may follow it, beside a number."""
_MARKERS = frozenset(
    ("eos", "bos", "pad", "unk", "sep", "cls", "mask", "stop", "special", "suppress", "start",
     "end", "added", "image", "audio", "think")
)  # fmt: skip
"""Before `token`: a piece of text that a model is given, and no credential."""
_COUNT = re.compile(r"[0-9][0-9.,_ ]*[kKmMbB]?|auto|none|inf|unlimited|default", re.IGNORECASE)
_STRICT = re.compile(r"secret|passw|passphrase|pwd")
_LABELS = ("name", "key", "header", "field", "variable")
_VALUES = ("value", "values", "val", "content")


@lru_cache(4_096)  # a list of jobs says the same names a hundred times
def is_secret(name: str) -> bool:
    """Whether a name, in whatever case and style, is that of a credential."""
    words = [word.lower() for word in _WORD.findall(name)]
    known = len(words)
    while words and (words[-1] in _FORMS or words[-1].isdigit()):
        if _ENDS.fullmatch("_".join(words)):
            return True
        words.pop()
    if not words or (words[-1] in ("key", "keys") and len(words) == 1 < known):
        return False  # as `key_values`
    if words[-1] in ("token", "tokens") and len(words) > 1 and words[-2] in _MARKERS:
        return False
    return bool(_LAST.fullmatch(words[-1]) or _ENDS.fullmatch("_".join(words)))


def tells(name: str, value: Any) -> bool:
    """Whether a value under the name of a credential may be one: texts, but no counts of tokens.

    A number is one under the name of a password only.
    """
    if value is None or isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return bool(_STRICT.search(name.lower()))
    if isinstance(value, str):
        return value != "" and not ("token" in name.lower() and _COUNT.fullmatch(value))
    inner = value.values() if isinstance(value, dict) else value
    return any(tells(name, item) for item in inner)


def labelled(item: dict[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    """Of `{"name": "Authorization", "value": …}`: the members that say what it is, and what it is.

    Returns:
        Two sets of names, empty where the object is no such pair.
    """
    labels = [n for n in _LABELS if isinstance(item.get(n), str) and is_secret(item[n])]
    values = [n for n in _VALUES if n in item]
    if not labels or not values:
        return frozenset(), frozenset()
    return frozenset(labels), frozenset(values)
