"""Vega, Vega-Lite and Vega-Embed as one script, from the package that ships them."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile

from pipeline.extras import extra

_SNIPPET = "window.vegaEmbed = vegaEmbed;"


@cache
def script() -> str:
    """The script, which sets `window.vegaEmbed`.

    To put it together takes seconds, so it is kept in the user's cache, by version; where there is
    none to write to, it is made each time.

    Raises:
        LakeError: the extra `report` is not installed.
    """
    vl_convert = extra("vl_convert", "tunelog report")
    kept = _cache() / f"vega-{vl_convert.__version__}.js"
    with suppress(OSError, UnicodeDecodeError):
        return kept.read_text(encoding="utf-8")
    text = str(vl_convert.javascript_bundle(snippet=_SNIPPET))
    text = text.replace("</script", r"<\/script").replace("<!--", r"<\!--")
    with suppress(OSError):
        _keep(kept, text)
    return text


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tunelog"


def _keep(path: Path, text: str) -> None:
    """Write a file that appears only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as out:
        out.write(text)
    Path(out.name).replace(path)
