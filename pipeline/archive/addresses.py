"""Whom to ask, and through whom: addresses in the settings, seen to before the first request."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.errors import UsageError

if TYPE_CHECKING:
    import httpx2

_BASE, _AZURE = "OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT"
_UPPER = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
_PROXIES = (*_UPPER, *map(str.lower, _UPPER))


def check_address(azure_endpoint: str | None) -> None:
    """See that what is to be asked is an address.

    Args:
        azure_endpoint: of the Azure resource, None for OpenAI.

    Raises:
        UsageError: it is none.
    """
    value = os.environ.get(_BASE) if azure_endpoint is None else azure_endpoint
    if value is None:
        return
    name, like = _BASE, "https://api.openai.com/v1"
    if azure_endpoint is not None:
        given = azure_endpoint == os.environ.get(_AZURE)
        name = _AZURE if given else "--azure-endpoint"
        like = "https://NAME.openai.azure.com"
    if not value.strip():
        raise UsageError(f"{name}: is empty: write it as {like}, or leave it out")
    if not _is_address(value):
        shown = _shown(value)
        raise UsageError(f"{name}: {shown!r} is no address: write it as {like}")


def is_elsewhere(asked: httpx2.URL, url: httpx2.URL) -> bool:
    """Whether a redirect led from what was asked to another host, port or scheme.

    From http to https of the same host, at their own ports, it is the same one.
    """
    was, now = asked.origin, url.origin
    upgrade = (was.scheme, was.port, now.scheme, now.port) == ("http", 80, "https", 443)
    return was != now and not (upgrade and was.host == now.host)


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    sound = value == value.strip() and value.isprintable() and " " not in parts.netloc
    return sound and parts.scheme in ("http", "https") and bool(host) and port != 0


def _shown(value: str) -> str:
    """An address without what may be secret in it, whatever is wrong with it."""
    scheme, slashes, rest = value.rpartition("://")
    place = rest.partition("?")[0].partition("#")[0].rpartition("@")[2]
    return f"{scheme.rpartition('@')[2]}{slashes}{place}"


def proxies() -> str:
    """The settings of proxies, without their credentials."""
    told = {name: _shown(value) for name in _PROXIES if (value := os.environ.get(name))}
    return ", ".join(f"{name}={value}" for name, value in told.items()) or "proxy settings"
