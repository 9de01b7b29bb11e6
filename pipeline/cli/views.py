"""`tunelog views`: the catalogue of what can be asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import output_options
from pipeline.cli.output import destination, write_rows
from pipeline.cli.terminal import terminal_width

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.views import View


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
    from pipeline.views import find, known_view

    view = find(known_view(name)) if name else None
    if format != "table":
        rows = column_table(view) if view else catalogue_table()
        write_rows(rows.to_reader(), format, output)
        return
    with destination(output) as out:
        width = terminal_width(out) or 100
        lines = description(view, width) if view else listing(width)
        out.writelines(f"{line}\n" for line in lines)


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
                "parameters": view.parameters,
                "caveat": view.caveat,
                "source": view.source,
            }
            for view in catalogue()
        ]
    )


def column_table(view: View) -> pa.Table:
    """A view's columns as rows: name, type, unit, meaning."""
    import pyarrow as pa

    return pa.Table.from_pylist(
        [
            {"column": c.name, "type": c.type, "unit": c.unit, "meaning": c.meaning}
            for c in view.columns
        ]
    )


def listing(width: int) -> Iterator[str]:
    """The views for people: names and questions, no wider than `width` [column]."""
    from pipeline.views import catalogue

    yield from _aligned([(view.name, view.question) for view in catalogue()], width)


def description(view: View, width: int) -> Iterator[str]:
    """One view for people, no wider than `width` [column]: question, grain, caveat, columns."""
    facts = {
        "question": view.question,
        "one row per": ", ".join(view.grain),
        "order": ", ".join(view.order),
        "reads": ", ".join(view.reads),
        "called as": f"{view.name}({view.parameters})" if view.parameters else "",
        "caveat": view.caveat,
        "source": view.source,
    }
    yield view.name
    yield ""
    yield from _aligned([(label, text) for label, text in facts.items() if text], width)
    yield ""
    long, short = "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"
    rows = [(c.name, c.type.replace(long, short), c.comment) for c in view.columns]
    yield from _aligned(rows, width)


def _aligned(rows: Sequence[tuple[str, ...]], width: int) -> Iterator[str]:
    """Rows whose last part is prose, which is wrapped where it stands."""
    from textwrap import wrap

    *labels, texts = zip(*rows, strict=True)
    sizes = [max(map(len, column)) + 2 for column in labels]
    for *names, text in zip(*labels, texts, strict=True):
        lead = "".join(f"{name:<{size}}" for name, size in zip(names, sizes, strict=True))
        yield from wrap(
            lead + text if text else lead,
            max(width, sum(sizes) + 20),
            subsequent_indent=" " * sum(sizes),
            drop_whitespace=True,
        )
