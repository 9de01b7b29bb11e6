"""Rows as tables for people: sized to the terminal, legible without colour.

Numbers, times and job ids are shown whole or not at all; only other text is cut, with an ellipsis.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from textwrap import wrap
from typing import IO

import pyarrow as pa

from pipeline.cli import markdown
from pipeline.cli.cells import is_numeric, is_text, readable
from pipeline.errors import UsageError
from pipeline.inert import inert

SAMPLE_ROWS = 1000
"""Rows that decide the column widths; those after them are printed as they stream in."""

WIDEST = 200
"""A cell's width where the output has none of its own [column]."""

WIDEST_HEAD = 32
"""Of a longer name, as of a formula, a table shows no more for its own sake [column]."""

TRACING = ("event_id", "source_id", "stream_id", "byte_offset", "byte_length", "lifecycle_rank",
           "phase_rank", "ordinal", "dialect")  # fmt: skip
"""Columns that trace or order rows rather than tell a person something."""

TELLING = ("message", "template", "example", "for example", "detail", "evidence")
"""Columns that a person came for; of several in a table the first: the others say it again."""

STATES = ("job", "kind", "level", "severity", "status", "outcome", "phase", "reason", "rule",
          "verdict", "metric", "method")  # fmt: skip
"""Columns of a word that says what a row is."""

PATHS = ("path", "source")
"""Columns whose end says more than their beginning; so does that of a metric deep in a payload."""

TOLD = 48
"""Room for what a person came for, before others have more than they need [column]."""

SHORT = 40
"""The longest value that is told in a word where all rows have it [column]."""

_GAP = 2
_PLAN = ["explain_key", "explain_value"]
"""What EXPLAIN answers: a picture in lines."""


@dataclass(frozen=True)
class Column:
    """One column of a table, with the cells that decide its width: all there are, or a sample."""

    name: str
    flush_right: bool
    may_cut: bool
    cells: list[str]
    least_text: int = 16
    is_sample: bool = False
    is_flag: bool = False
    tells: bool = False

    @property
    def natural(self) -> int:
        """Width that shows every cell whole [column]."""
        return max(map(width_of, [self.name[:WIDEST_HEAD], *self.cells]))

    @property
    def least(self) -> int:
        """Width below which the column says nothing [column]."""
        return min(self.natural, self.least_text) if self.may_cut else self.natural

    @property
    def enough(self) -> int:
        """Width from which on what a person came for has its room [column]."""
        return min(self.natural, TOLD) if self.tells or self.name in PATHS else self.least

    @property
    def dispensable(self) -> int:
        """What to do without first: 3 empty, 2 equal in all rows, 1 tracing or a flag, -1 last."""
        if not any(self.cells):
            return 3
        if self.tells:
            return -1
        return 2 if self.is_one else int(self.name in TRACING or self.is_flag)

    @property
    def yields(self) -> bool:
        """Whether what a person came for has its room first, wherever the column stands."""
        is_beside = self.may_cut and not self.tells and self.name not in PATHS + STATES
        return self.name in TRACING or is_beside

    @property
    def is_one(self) -> bool:
        """Whether all rows have one value, so that the column can be told in a word."""
        several = len(self.cells) > 1 and not self.is_sample
        return several and len(set(self.cells)) == 1 and 0 < len(self.cells[0]) <= SHORT


def width_of(text: str) -> int:
    """Columns of the terminal that a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def cut(text: str, width: int, keep_end: bool = False) -> str:
    """The text, with an ellipsis at its end, or its beginning, where it is wider than `width`."""
    if width_of(text) <= width:
        return text
    from rich.cells import set_cell_size

    if keep_end:
        return "…" + set_cell_size(text[: -width * 2 : -1], width - 1).rstrip()[::-1]
    return set_cell_size(text[: width * 2], width - 1).rstrip() + "…"


def fit(columns: Sequence[Column], width: int | None) -> tuple[list[int], dict[int, int]]:
    """Which columns to show and how wide.

    Args:
        columns: In order.
        width: Of the terminal, None for no limit [column].

    Returns:
        The hidden columns (positions: the dispensable first, then from the right) and the width of
        each shown column by its position.
    """
    if width is None:
        return [], {i: min(c.natural, WIDEST) for i, c in enumerate(columns)}
    least = {i: c.least for i, c in enumerate(columns)}
    hidden: list[int] = []
    telling = next((i for i, c in enumerate(columns) if c.tells), None)
    for victim in sorted(least, key=lambda i: _place(columns, i), reverse=True):
        yields = columns[victim].yields
        if telling is not None:  # what stands behind it, and what all rows share
            yields = yields or victim > telling or columns[victim].dispensable > 1
        wanted = [columns[i].enough if yields else least[i] for i in least]
        if sum(wanted) + _GAP * (len(least) - 1) <= width or len(least) == 1:
            break
        del least[victim]
        hidden.append(victim)
    spare = width - sum(least.values()) - _GAP * (len(least) - 1)
    for i in least:
        more = min(columns[i].enough - least[i], max(spare, 0))
        least[i] += more
        spare -= more
    wanting = sorted(least, key=lambda i: columns[i].natural - least[i])
    for left, i in zip(range(len(wanting), 0, -1), wanting, strict=True):
        more = min(columns[i].natural - least[i], max(spare, 0) // left)
        least[i] += more
        spare -= more
    return sorted(hidden), least


def _place(columns: Sequence[Column], index: int) -> tuple[int, bool, int]:
    """When to do without a column: the greatest goes first."""
    return columns[index].dispensable, columns[index].yields, index


def render(columns: Sequence[Column], widths: dict[int, int], head: bool = True) -> Iterator[str]:
    """The lines of a table, without line ends: head, rule, one line per row."""
    last = max(widths)
    shown = [(columns[i], w, i == last) for i, w in widths.items()]
    if head:
        yield _line([c.name for c, _, _ in shown], shown, head=True)
        yield _line(["─" * w for _, w, _ in shown], shown)
    for cells in zip(*(c.cells for c, _, _ in shown), strict=True):
        yield _line(cells, shown)


def _line(
    cells: Sequence[str], shown: Sequence[tuple[Column, int, bool]], head: bool = False
) -> str:
    parts = []
    for cell, (column, width, last) in zip(cells, shown, strict=True):
        is_path = column.name in PATHS or (column.name == "metric" and "/" in cell)
        text = cut(cell, width, is_path) if column.may_cut or head else cell
        pad = " " * (width - width_of(text))
        parts.append(pad + text if column.flush_right else text if last else text + pad)
    return (" " * _GAP).join(parts).rstrip()


def columns_of(batch: pa.RecordBatch, is_sample: bool = False) -> list[Column]:
    """A batch of rows as columns of readable text."""
    names = batch.schema.names
    telling = next((name for name in names if name in TELLING), None)
    if telling is None and names[:1] == ["metric"]:  # who asks for these wants their names
        telling = "metric"
    return [
        Column(
            name=inert(field.name),
            flush_right=is_numeric(field.type),
            may_cut=is_text(field.type) and field.name != "job_id",
            cells=readable(values, field.name),
            is_sample=is_sample,
            is_flag=pa.types.is_boolean(field.type),
            tells=field.name == telling,
        )
        for field, values in zip(batch.schema, batch.columns, strict=True)
    ]


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    try:
        return pa.RecordBatch.from_pylist([], schema)
    except pa.ArrowNotImplementedError as error:
        raise UsageError(f"sql: no table of {error}: cast the column to varchar") from None


def write_table(
    schema: pa.Schema, batches: Iterator[pa.RecordBatch], out: IO[str], width: int | None
) -> list[str]:
    """Print rows as a table; a single row too wide for it as one line per column; a plan as drawn.

    Returns:
        The names of the columns that did not fit, with their value where it is one for all.
    """
    if schema.names == _PLAN:
        for batch in batches:
            for plan in batch.column(1).to_pylist():
                out.writelines(f"{inert(line)}\n" for line in plan.splitlines())
        return []
    sample = [_no_rows(schema)]
    while sum(b.num_rows for b in sample) < SAMPLE_ROWS and (b := next(batches, None)) is not None:
        sample.append(b)
    more = next(batches, None)
    first = pa.Table.from_batches(sample, schema).combine_chunks().to_batches() or sample
    columns = columns_of(first[0], is_sample=more is not None)
    hidden, widths = fit(columns, width)
    if hidden and width and len(columns[0].cells) == 1:
        out.writelines(f"{line}\n" for line in _record(columns, width))
        return []
    out.writelines(f"{line}\n" for line in render(columns, widths))
    for batch in chain([more] if more else [], batches):
        out.writelines(f"{line}\n" for line in render(columns_of(batch), widths, head=False))
    return _names(columns[i] for i in hidden)


def _names(columns: Iterable[Column]) -> list[str]:
    return [f"{c.name} ({c.cells[0]} in all rows)" if c.is_one else c.name for c in columns]


def _record(columns: Sequence[Column], width: int) -> Iterator[str]:
    indent = max(width_of(c.name) for c in columns) + _GAP
    for column in columns:
        name = column.name
        for piece in _wrapped(column.cells[0], max(width - indent, 20)) or [""]:
            yield f"{name:<{indent}}{piece}".rstrip()
            name = ""


def _wrapped(text: str, width: int) -> list[str]:
    """A text in lines, between words where it has any."""
    if text.isascii():
        return wrap(text, width, break_on_hyphens=False)
    from rich.cells import chop_cells

    return chop_cells(text, width)


def write_markdown(schema: pa.Schema, batches: Iterator[pa.RecordBatch], out: IO[str]) -> None:
    """Print rows as a GitHub-flavoured Markdown table, in which no cell is markup."""
    none = columns_of(_no_rows(schema))
    out.writelines(f"{line}\n" for line in markdown_lines(none))
    for columns in map(columns_of, batches):
        out.writelines(f"{line}\n" for line in markdown_lines(columns, head=False))


def markdown_lines(columns: Sequence[Column], head: bool = True) -> Iterator[str]:
    """The lines of a Markdown table, without line ends."""
    if head:
        yield f"| {' | '.join(markdown.cell(c.name) for c in columns)} |"
        yield f"| {' | '.join('---:' if c.flush_right else '---' for c in columns)} |"
    for row in zip(*(c.cells for c in columns), strict=True):
        yield f"| {' | '.join(map(markdown.cell, row))} |"


def one_table(rows: pa.Table, width: int | None) -> Iterator[str]:
    """The lines of a small table that is part of a longer text."""
    batches = rows.combine_chunks().to_batches()
    columns = list(chain.from_iterable(map(columns_of, batches)))
    return fitted(columns, width) if columns else iter(())


def fitted(columns: Sequence[Column], width: int | None) -> Iterator[str]:
    """The lines of a table with its rows; what does not fit is named on standard error."""
    from pipeline.cli.output import tell_hidden

    hidden, widths = fit(columns, width)
    yield from render(columns, widths)
    tell_hidden(_names(columns[i] for i in hidden))
