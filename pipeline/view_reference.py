"""`docs/views.md`, from the SQL files: ``python -m pipeline.view_reference > docs/views.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from pipeline.lake.rules import rules
from pipeline.views import View, catalogue

_HEAD = """\
# The views

Made from the files under `sql/views` and `sql/checks` by
`python -m pipeline.view_reference > docs/views.md`.

`tunelog views NAME` prints the same for one view, `tunelog show NAME` its rows.
"""


def page() -> str:
    """The whole page, as Markdown: marts with their columns, staging views, checks."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    marts = [view for view in catalogue() if view.layer == "marts"]
    yield _HEAD
    yield "| view | answers | one row per |"
    yield "| --- | --- | --- |"
    for view in marts:
        yield f"| [{view.name}](#{view.name}) | {view.question} | {', '.join(view.grain)} |"
    for view in marts:
        yield from _section(view)
    yield "\n## Staging\n"
    yield "Made to be read by the views above; their columns may change.\n"
    yield "| view | answers | reads |"
    yield "| --- | --- | --- |"
    for view in catalogue():
        if view.layer == "staging":
            yield f"| {view.name} | {view.question} | {', '.join(view.reads)} |"
    yield "\n## Checks\n"
    yield "Rules of a lake; each file under `sql/checks` returns the rows that break its rule.\n"
    yield "| check | rule |"
    yield "| --- | --- |"
    for check in rules():
        yield f"| {check.name} | {check.rule} |"


def _section(view: View) -> Iterator[str]:
    yield f"\n## {view.name}\n"
    yield f"{view.question}\n"
    reads = f" Reads {', '.join(view.reads)}." if view.reads else ""
    yield f"One row per {', '.join(view.grain)}.{reads} {_note(view)}\n"
    if view.parameters:
        yield f"With parameters: `from {view.name}({view.parameters})`.\n"
    yield "| column | type | unit | meaning |"
    yield "| --- | --- | --- | --- |"
    for column in view.columns:
        meaning = column.meaning.replace("|", "\\|").replace("<", "&lt;")
        yield f"| `{column.name}` | {column.type} | {column.unit or ''} | {meaning} |"


def _note(view: View) -> str:
    source = f" Source: {view.source}" if view.source else ""
    return f"Caveat: {view.caveat}{source}".replace("<", "&lt;")


if __name__ == "__main__":
    sys.stdout.write(page())
