"""`tunelog views`: the catalogue of what can be asked."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import find_view, output_options
from pipeline.cli.output import destination, write_rows
from pipeline.cli.terminal import terminal_width

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.views import View

_UNIT = re.compile(r"\s*\[([^\]]+)\]\s*$")


@click.command()
@click.argument("name", required=False)
@output_options()
def views(name: str | None, format: str, output: str | None) -> None:
    """List the views and what each answers; with NAME, one view's columns and their units.

    No lake is needed.

    \b
    Examples:
      tunelog views
      tunelog views loss_curves
      tunelog views jobs --format markdown
    """
    if name is None:
        rows = catalogue_table()
        if format == "table":
            rows = rows.select(["view", "question"])
        write_rows(rows.to_reader(), format, output)
        return
    view = find_view(name)
    if format != "table":
        write_rows(column_table(view).to_reader(), format, output)
        return
    with destination(output) as out:
        width = terminal_width(out) if out is sys.stdout else None
        out.writelines(f"{line}\n" for line in description(view, width))


def catalogue_table() -> pa.Table:
    """The views as rows, one per view, in the order of the layers."""
    import pyarrow as pa

    from pipeline.views import catalogue

    return pa.Table.from_pylist(
        [
            {
                "view": view.name,
                "layer": view.layer,
                "question": view.question,
                "grain": ", ".join(view.grain),
                "reads": ", ".join(view.reads),
                "caveat": view.caveat,
                "source": view.source,
            }
            for view in catalogue()
        ]
    )


def column_table(view: View) -> pa.Table:
    """A view's columns as rows: name, type, unit, meaning."""
    import pyarrow as pa

    rows = []
    for column in view.columns:
        unit = _UNIT.search(column.comment)
        rows.append(
            {
                "column": column.name,
                "type": column.type,
                "unit": unit[1] if unit else None,
                "meaning": _UNIT.sub("", column.comment),
            }
        )
    return pa.Table.from_pylist(rows)


def description(view: View, width: int | None) -> Iterator[str]:
    """One view for people: question, grain, caveats, then its columns."""
    from textwrap import wrap

    from pipeline.cli.table import one_table

    facts = {
        "question": view.question,
        "one row per": ", ".join(view.grain),
        "reads": ", ".join(view.reads),
        "caveat": view.caveat,
        "source": view.source,
    }
    yield view.name
    for label, text in facts.items():
        if text:
            indent = " " * 15
            yield from wrap(
                text, width or 100, initial_indent=f"  {label:<13}", subsequent_indent=indent
            )
    yield ""
    yield from one_table(column_table(view), width)
