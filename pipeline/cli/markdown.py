"""Texts of dumps in Markdown: no markup, mention, reference or link, on GitHub and elsewhere.

What can do nothing stands as it is, all else in a code span.
"""

from __future__ import annotations

import re

from pipeline.inert import inert

QUOTE = 300
"""Most of a message that a report quotes [character]."""

_RUNS = re.compile(r"`+")
_PLAIN = re.compile(r"[A-Za-z0-9 _.,:;()'\"?/+=%≥…-]*")
_MARKUP = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LINKS = re.compile(
    r"//|www\.|[A-Z0-9]\.[A-Z]{2}|\bGH-[0-9]"  # addresses, and one of the ways to write a reference
    r"|:[A-Z0-9_+-]+:|%[A-Z0-9\"]"  # small pictures, as :x:, and GitLab's milestones
    r"|(?<![A-Z0-9_-])(?=[0-9]*[A-F])[0-9A-F]{7,40}(?![A-Z0-9_])",  # commits
    re.IGNORECASE,
)
"""What becomes a link without any sign of markup.
https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/autolinked-references-and-urls
"""
_CLOCK = re.compile(r"[0-9]:[0-9]{2}:[0-9]")
"""Which would be small pictures else."""


def safe(text: str) -> str:
    """A text of a dump, on one line: as it is where it can do nothing, else as code."""
    active = _MARKUP.search(text) or _LINKS.search(_CLOCK.sub("0", text))
    return text if _PLAIN.fullmatch(text) and not active else code(text)


def cell(text: str) -> str:
    """A text of a dump as the cell of a table, where a stroke ends a cell in code, too."""
    return safe(text).replace("|", "\\|")


def quoted(text: str) -> str:
    """What an event says, as code, and not too long."""
    return code(text[:QUOTE] + ("…" if len(text) > QUOTE else ""))


def code(text: str) -> str:
    """A text on one line and as code, which no Markdown reads as anything else."""
    shown = inert(text)
    fence = "`" * (1 + max(map(len, _RUNS.findall(shown)), default=0))
    return f"{fence} {shown} {fence}" if "`" in shown or not shown.strip() else f"`{shown}`"
