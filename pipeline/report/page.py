"""The page: one HTML file that opens offline, asks nothing of any network and trusts no message.

Its data are JSON in script elements that no browser runs: the overview in one, each job in its own,
read when the job is looked at. Its scripts and styles are named by their hashes in a content
security policy that allows nothing else, so a message could not do harm even where the page erred.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files
from typing import Any

from pipeline.extras import extra
from pipeline.report import vega
from pipeline.report.details import all_findings, details, overview
from pipeline.report.gather import Facts

SCRIPTS = ("dom.js", "data.js", "draw.js", "around.js", "overview.js", "job.js", "start.js")
"""The page's own scripts, in the order in which they follow one another in one function."""

_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def check_extra(wanted_by: str) -> None:
    """See that what a page needs is installed.

    Args:
        wanted_by: the command that writes one.

    Raises:
        LakeError: the extra `report` is not installed.
    """
    for module in ("altair", "vl_convert"):
        extra(module, wanted_by)


def page(told: Facts) -> Iterator[str]:
    """The parts of the page, to be written one after another.

    Args:
        told: what the views answered.

    Raises:
        LakeError: the extra `report` is not installed.
    """
    check_extra("tunelog report")
    from pipeline.report.chart import charts

    bundle = vega.script()
    found = all_findings(told)
    sparks = []
    blocks = []
    for number, (detail, spark) in enumerate(details(told, found)):
        blocks.append(_block(f"job-{number}", detail))
        sparks.append(spark)
    listed = {**overview(told, found), "sparks": sparks, "charts": charts()}
    own = "".join(_own(name) for name in SCRIPTS)
    script, style = f'"use strict";(() => {{\n{own}}})();\n', _own("page.css")
    policy = (
        f"default-src 'none'; script-src {_hash(bundle)} {_hash(script)};"
        f" style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    )
    head, _, foot = _own("page.html").partition("<!-- data -->")
    yield head.replace("{policy}", policy).replace("/* style */", style)
    yield _block("overview", listed)
    yield from blocks
    yield f"<script>{bundle}</script>\n<script>{script}</script>\n"
    yield foot.lstrip()


def _own(name: str) -> str:
    return (files(__package__) / "page" / name).read_text(encoding="utf-8")


def _block(name: str, data: Any) -> str:
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f'<script type="application/json" id="{name}">{text.translate(_ESCAPES)}</script>\n'


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
