"""`tunelog sql` and `tunelog show`: questions to the views, answered in a locked-down process."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import IO, TYPE_CHECKING

import click

from pipeline.cli.options import (
    Finite,
    jobs_option,
    lake_option,
    open_existing,
    output_options,
    whole_jobs,
)
from pipeline.cli.output import write_rows
from pipeline.cli.terminal import note
from pipeline.errors import QueryError, UsageError, nearest

if TYPE_CHECKING:
    from pipeline.lake.lake import Lake

MEMORY, TIMEOUT = "2GB", 300.0
"""What a query may use where nothing else is asked for, and how long it may take [s]."""

_OF_LIMITS = re.compile(r"(sql: )?(over |out of memory|no limits|--)")
"""How errors begin that are no condition's."""
_ASKS_MORE = re.compile(
    r"\b(?:select|from|with|table|values|(?:un)?pivot\w*|desc\w*|show|summarize)\b", re.IGNORECASE
)
"""A condition with a query in it may ask for other jobs, too."""
_JOB = re.compile(r"'(ft[A-Za-z0-9_-]+)'")


def limits(command: click.decorators.FC) -> click.decorators.FC:
    """Add ``--memory`` and ``--timeout``, which hold for the query."""
    memory = click.option(
        "--memory", metavar="SIZE", default=MEMORY, show_default=True, help="Most it may use."
    )
    timeout = click.option(
        "--timeout",
        metavar="SECONDS",
        type=Finite(min=0, max=1e9, min_open=True),
        default=TIMEOUT,
        show_default=True,
        help="Longest it may take.",
    )
    return memory(timeout(command))


@click.command()
@click.argument("query", required=False, metavar="[QUERY]")
@click.option(
    "-f", "--file", "file", type=click.File(encoding="utf-8"), help="Read the query from a file."
)
@click.option(
    "-p",
    "--param",
    "params",
    metavar="NAME VALUE",
    nargs=2,
    multiple=True,
    help="Value of $NAME in the query, as text; may be repeated.",
)
@jobs_option
@lake_option
@limits
@output_options()
def sql(
    query: str | None,
    file: IO[str] | None,
    params: tuple[tuple[str, str], ...],
    jobs: tuple[str, ...],
    lake_dir: str,
    memory: str,
    timeout: float,
    format: str,
    output: str | None,
) -> None:
    """Ask the views one question in DuckDB's SQL.

    The query is QUERY, or the file of -f, or standard input (also as -). It reads the lake's views
    and nothing else, and changes nothing. `tunelog views` lists what can be asked.

    With --job the views tell of these jobs alone: rankings rank these, and `compare` needs both of
    its jobs among them; `sources` and `history` stay whole. That is quick in a large lake, where a
    condition like `job_id in (...)` takes seconds.

    \b
    Examples:
      tunelog sql "select status, count(*) from jobs group by all"
      tunelog sql -f question.sql --format csv -o answer.csv
      echo "from errors" | tunelog sql --format json
      tunelog sql "select * from loss_curves where job_id = \\$job" -p job ftjob-abc123
      tunelog sql "from verdicts where verdict = 'tripped'" --job ftjob-abc123
    """
    if query is not None and file is not None:
        raise UsageError("tunelog sql: both QUERY and --file are given: leave one out")
    if file is not None:
        query = _text_of(file)
    elif query in (None, "-"):
        if sys.stdin.isatty():
            raise UsageError("tunelog sql: no query: give one in quotes, with -f, or by a pipe")
        query = _text_of(sys.stdin)
    for name, times in Counter(name for name, _ in params).items():
        if times > 1:
            raise UsageError(f"tunelog sql: -p {name} is given {times} times: give it once")
    lake = open_existing(lake_dir)
    whole = whole_jobs(lake, jobs)
    if not ask(lake, str(query), dict(params), format, output, memory, timeout, jobs=whole):
        _tell_beginnings(lake, [*_JOB.findall(str(query)), *(value for _, value in params)])


def _tell_beginnings(lake: Lake, named: Sequence[str]) -> None:
    """Tell of a question without an answer where it names a job by the beginning of its id."""
    for text in dict.fromkeys(named):
        with suppress(UsageError):
            if text.startswith("ft") and (whole := lake.whole_job_id(text)) != text:
                note(f"{text}: a query has to name a job by its whole id, {whole}")


def _text_of(file: IO[str]) -> str:
    try:
        return file.read()
    except UnicodeDecodeError as error:
        raise UsageError(f"{file.name}: {error}: write the query in UTF-8") from None


@click.command()
@click.argument("view")
@jobs_option
@click.option("--where", metavar="SQL", help="Only rows for which this is true.")
@click.option("--columns", metavar="A,B,...", help="Only these columns, in this order.")
@click.option("--limit", metavar="N", type=click.IntRange(min=0), help="At most so many rows.")
@lake_option
@limits
@output_options()
def show(
    view: str,
    jobs: tuple[str, ...],
    where: str | None,
    columns: str | None,
    limit: int | None,
    lake_dir: str,
    memory: str,
    timeout: float,
    format: str,
    output: str | None,
) -> None:
    """Print the rows of a view, in its own order.

    Tables are for the eye: 4 significant digits, durations as 1h 02m, times in UTC, and columns
    that do not fit the terminal are named below. All other formats but markdown are exact.

    \b
    Examples:
      tunelog show jobs
      tunelog show loss_curves --job ftjob-abc123 --columns step,train_loss,valid_loss
      tunelog show compare --job ftjob-abc123 --job ftjob-xyz789 --where "axis = 'share'"
      tunelog show errors --where "created_at >= '2025-01-01'" --limit 20
      tunelog show events --job ftjob-abc123 -o events.parquet
    """
    from pipeline.views import known_view

    query, params = view_query(
        known_view(view), jobs=jobs, where=where, columns=columns, limit=limit
    )
    lake = open_existing(lake_dir)
    params = {name: lake.whole_job_id(job) for name, job in params.items()}
    focus = () if _ASKS_MORE.search(where or "") else focus_of(view, params)
    try:
        ask(lake, query, params, format, output, memory, timeout, jobs=focus, spills=where is None)
    except QueryError as error:
        if where is None or _OF_LIMITS.match(str(error)):
            raise
        told = re.sub(r"^sql(: line \d+, column \d+)?: ", "", str(error))
        told = told.replace("write one SELECT", "write a condition")
        raise QueryError(f"--where {where!r}: {told}") from None


def focus_of(view: str, params: Mapping[str, str]) -> Collection[str]:
    """The jobs that the query of `view_query` is about, where it needs to look at no other."""
    from pipeline.views import OF_ALL

    return () if view in OF_ALL else params.values()


def view_query(
    view: str,
    *,
    jobs: Sequence[str] = (),
    where: str | None = None,
    columns: str | None = None,
    limit: int | None = None,
) -> tuple[str, dict[str, str]]:
    """The query for a part of a view, in its own order, and its parameters: a job each.

    Raises:
        UsageError: A column that the view does not have, a job where the view knows none, or
            other than two where it compares them.
    """
    from pipeline.views import column_names, orders

    for option, given in (("--where", where), ("--columns", columns)):
        if given is not None and not given.strip():  # as of a variable that is not set
            raise UsageError(f"{option} '': nothing is named: leave it out for all")
    known = column_names(view)
    wanted = [name.strip() for name in columns.split(",")] if columns else []
    for name in wanted:
        if name not in known:
            hint = nearest(name, known) or f": it has {', '.join(known)}"
            raise UsageError(f"{view}: no column {name!r}{hint}")
    of_two = bool(jobs) and view == "compare"
    if of_two and len(jobs) != 2:
        raise UsageError(f"{view}: --job {jobs[0]}: this view is of two jobs: name both")
    if jobs and not of_two and "job_id" not in known:
        raise UsageError(f"{view}: --job {jobs[0]}: this view knows no jobs: leave --job out")
    query = f"select {', '.join(map(_quoted, wanted)) or '*'} from {_quoted(view)}"
    params = {f"job{number}": job for number, job in enumerate(jobs)}
    listed = ", ".join(f"${name}" for name in params)
    query += f"({listed})" * of_two
    conditions = [f"job_id in ({listed})"] if params and not of_two else []
    if where:  # the line break keeps a comment at its end from swallowing the bracket
        conditions.append(f"({where}\n)")
    if conditions:
        query += f" where {' and '.join(conditions)}"
    query += f" order by {', '.join(orders()[view])}"
    return query + (f" limit {limit}" if limit is not None else ""), params


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def ask(
    lake: Lake,
    query: str,
    params: dict[str, str],
    format: str,
    output: str | None,
    memory: str = MEMORY,
    timeout: float = TIMEOUT,
    *,
    jobs: Collection[str] = (),
    spills: bool = False,
) -> int:
    """Run a query in the locked-down process and write the answer as it comes.

    Args:
        lake: the lake.
        query: the query.
        params: what stands for its parameters.
        format: as ``--format``.
        output: as ``--output``.
        memory: as ``--memory``.
        timeout: as ``--timeout`` [s].
        jobs: the jobs that the views tell of; all where none is given.
        spills: what does not fit into memory goes to disk; for queries that no user wrote.

    Returns:
        The number of rows written.
    """
    from pipeline.query import stream
    from pipeline.views import named

    query.encode()  # what is no UTF-8 is told as it is of any argument
    script, files = lake.snapshot(named(query), jobs=jobs)
    with (
        lake.spill() if spills else nullcontext() as spill,
        stream(
            script, files, query, params=params, memory=memory, timeout=timeout, spill=spill
        ) as answer,
    ):
        return write_rows(answer, format, output)
