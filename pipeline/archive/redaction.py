"""What never leaves memory: the account's keys, and keys that lie in job objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

REMOVED = "[removed]"

SECRET_VARIABLES = (
    "OPENAI_API_KEY",
    "OPENAI_ADMIN_KEY",
    "OPENAI_WEBHOOK_SECRET",
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_AD_TOKEN",
)
"""Environment variables of the client whose values are secret."""

_SHORTEST = 6  # a shorter "secret" would be found in innocent text
_QUERY = ("after", "limit", "api-version")

# How the name of a credential ends, in snake_case, kebab-case or camelCase.
_SECRET_NAME = (
    r"[A-Za-z0-9_-]*(?:(?<![A-Za-z0-9])keys?|[_-]keys?|[a-z0-9]Keys?|[_-]KEYS?|(?i:apikeys?|secret|passw(?:or)?d"
    r"|(?<![a-z])pwd|passphrase|token|credentials?|authorization|(?<![a-z])auth|bearer|(?<![a-z])jwt"
    r"|connection[_-]?string))"
)
_IS_SECRET = re.compile(_SECRET_NAME).fullmatch
_SECRET_MEMBER = re.compile(
    rb'("' + _SECRET_NAME.encode() + rb'"\s*:\s*)"((?:[^"\\]|\\.)+)"',
)


class Redactor:
    """Takes secrets out of texts and bodies."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Know the secrets; those too short to be told from other text are left out."""
        spelled = {form for secret in secrets for form in _spellings(secret.strip())}
        self._secrets = sorted((s for s in spelled if len(s) >= _SHORTEST), key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text without the secrets."""
        for secret in self._secrets:
            text = text.replace(secret, REMOVED)
        return text

    def body(self, body: bytes, *, of_jobs: bool) -> tuple[bytes, int]:
        """A response body without secrets.

        Args:
            body: as it was sent.
            of_jobs: it holds job objects, in which trackers' keys may lie.

        Returns:
            The body, the same object where nothing was secret, and how many secrets it held.
        """
        count = 0
        for secret in self._secrets:
            found = body.count(secret.encode())
            if found:
                count += found
                body = body.replace(secret.encode(), REMOVED.encode())
        if of_jobs:
            body, found = _SECRET_MEMBER.subn(rb'\1"' + REMOVED.encode() + b'"', body)
            body, more = _emptied(body)
            count += found + more
        return body, count


def _emptied(body: bytes) -> tuple[bytes, int]:
    """A body without what is secret by its name, but no plain text: such a body is written anew."""
    value, count = json.loads(body), 0
    stack = [value]
    while stack:
        item = stack.pop()
        for name, inner in item.items() if isinstance(item, dict) else ():
            empty = isinstance(inner, bool) or inner in (None, "", REMOVED, [], {})
            if _IS_SECRET(name) and not empty:
                item[name] = REMOVED
                count += 1
        stack += [
            inner
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, dict | list)
        ]
    return (json.dumps(value).encode() if count else body), count


def _spellings(secret: str) -> set[str]:
    """A secret as it stands in texts, error messages, JSON and URLs; each of its words, too."""
    return {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret), *secret.split()}


def public_url(url: str) -> str:
    """A URL without user, password and all parameters but those of the endpoints."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name in _QUERY]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, urlencode(query), ""))
