"""What never leaves memory: the account's keys, and credentials that lie in job objects."""

from __future__ import annotations

import json
import logging
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from pipeline.archive.credential_names import is_secret, labelled, tells
from pipeline.credentials import masked

REMOVED = "[removed]"

SECRET_VARIABLES = (
    "OPENAI_API_KEY",
    "OPENAI_ADMIN_KEY",
    "OPENAI_WEBHOOK_SECRET",
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_AD_TOKEN",
)
"""Environment variables of the client whose values are secret."""

HEADERS_VARIABLE = "OPENAI_CUSTOM_HEADERS"
"""One that holds headers, of which some may be."""

_URL_VARIABLES = (
    "OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"
)  # fmt: skip

_SHORTEST = 6  # a shorter "secret" would be found in innocent text
_QUERY = ("after", "limit", "api-version")

_LITERAL = re.compile(rb'("(?:[^"\\]|\\.)*")(\s*:\s*)?', re.DOTALL)
_ESCAPED = re.compile(rb"\\(?:u00[2-7]|/)")
"""What may hide a letter of a secret in JSON."""

_OPEN_HEADERS = re.compile(
    r"accept.*|content-.*|user-agent|openai-.*|x-stainless-.*|x-ms-client-.*|host|connection"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z-]*)\s+(\S+)")
_PLAIN = re.compile(r"[A-Za-z]{1,12}(?:[._-][A-Za-z]{1,12})*|[0-9.,:TZ+-]+|.*\s.*")
"""Words, phrases, numbers and dates: a value that would be found in innocent text."""


class Redactor:
    """Takes secrets out of texts and bodies."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Know the secrets; those too short to be told from other text are left out."""
        spelled = {form for secret in secrets for form in _spellings(secret.strip())}
        spelled.discard(REMOVED)
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
        if self._secrets and _ESCAPED.search(body):
            body, found = self._unescaped(body)
            count += found
        if of_jobs:
            body, found = _cleaned(body)
            count += found
        return body, count

    def identity(self, identity: str) -> str:
        """A job's id as it is kept: as a body of jobs has it."""
        return _without(self.text(identity))

    def _unescaped(self, body: bytes) -> tuple[bytes, int]:
        """A body without secrets of which JSON spells a letter as a number: it is written anew."""
        try:
            text = json.dumps(json.loads(body))
        except (ValueError, RecursionError):  # no JSON
            return body, 0
        count = sum(text.count(secret) for secret in self._secrets)
        return (self.text(text).encode() if count else body), count

    def guard_logs(self) -> None:
        """Let no line that the client logs (`OPENAI_LOG`) pass with a secret."""
        for handler in logging.getLogger().handlers:
            if not isinstance(handler.formatter, _Formatter):
                handler.setFormatter(_Formatter(self, handler.formatter or logging.Formatter()))


class _Formatter(logging.Formatter):
    def __init__(self, redactor: Redactor, inner: logging.Formatter) -> None:
        super().__init__()
        self._redactor, self._inner = redactor, inner

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor.text(self._inner.format(record))


def _cleaned(body: bytes) -> tuple[bytes, int]:
    """A body of jobs without credentials, otherwise as it was sent, where that can be."""
    value, count = json.loads(body), 0
    stack = [value]
    while stack:
        item = stack.pop()
        labels, values = labelled(item) if isinstance(item, dict) else (frozenset(), frozenset())
        for name, inner in list(item.items() if isinstance(item, dict) else enumerate(item)):
            named = name in values or (
                isinstance(name, str) and name not in labels and is_secret(name)
            )
            kept = inner
            if named and inner != REMOVED and tells(str(name), inner):
                kept = REMOVED
            elif isinstance(inner, str):
                kept = _without(inner)
            elif isinstance(inner, dict | list):
                stack.append(inner)
            if kept is not inner and kept != inner:
                item[name] = kept
                count += 1
    if not count:
        return body, 0
    same = _in_place(body)
    with suppress(ValueError):
        if json.loads(same) == value:
            return same, count
    return json.dumps(value).encode(), count


def _in_place(body: bytes) -> bytes:
    """A body without credentials that are plain texts, and with every other byte."""
    out: list[bytes] = []
    at, name, follows = 0, "", -1
    for found in _LITERAL.finditer(body):
        text = json.loads(found[1])
        if found[2] is not None:
            name, follows = text, found.end()
            continue
        of_name = found.start() == follows and is_secret(name) and text and tells(name, text)
        kept = REMOVED if of_name else _without(text)
        if kept != text:
            out += body[at : found.start(1)], json.dumps(kept).encode()
            at = found.end(1)
    return b"".join([*out, body[at:]])


def _without(text: str) -> str:
    """A text without the credentials that are known by their form."""
    kept = masked(text.encode("utf-8", "surrogatepass"), REMOVED.encode())
    return kept.decode("utf-8", "surrogatepass")


def _spellings(secret: str) -> set[str]:
    """A secret as it stands in texts, error messages, JSON and URLs; each of its words, too."""
    escaped = {repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret), quote(secret, safe="")}
    return {secret, *escaped, *secret.split()}


def known_secrets(endpoint: str | None = None) -> list[str]:
    """What the client is given that is secret: by the environment, and by an endpoint's URL."""
    found = [os.environ.get(name, "") for name in SECRET_VARIABLES]
    found += _header_secrets(os.environ.get(HEADERS_VARIABLE, ""))
    urls = [value for name, value in os.environ.items() if name.upper() in _URL_VARIABLES]
    return found + [secret for url in [endpoint or "", *urls] for secret in _url_secrets(url)]


def _header_secrets(headers: str) -> list[str]:
    """What is secret in headers, a line each: all values but those that are known to be none."""
    found: list[str] = []
    for line in headers.splitlines():
        name, _, value = (part.strip() for part in line.partition(":"))
        if _OPEN_HEADERS.fullmatch(name.lower()):
            continue
        scheme = _SCHEME.fullmatch(value)
        if scheme:
            value = scheme[2]
        if scheme and scheme[1].lower() == "basic":
            with suppress(ValueError):
                found.append(b64decode(value).decode().partition(":")[2])
        if name.lower() == "cookie":
            found += [part.partition("=")[2] for part in value.split(";")]
        elif is_secret(name) or not _PLAIN.fullmatch(value):
            found.append(value)
    return found


def _url_secrets(url: str) -> list[str]:
    """The password in a URL, as it stands there and as it is sent."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return []
    if not parts.password:
        return []
    password = unquote(parts.password)
    sent = f"{unquote(parts.username or '')}:{password}"
    return [parts.password, password, b64encode(sent.encode()).decode()]


def public_url(url: str) -> str:
    """A URL without user, password and all parameters but those of the endpoints."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name in _QUERY]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, urlencode(query), ""))
