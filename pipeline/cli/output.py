"""Where rows go and in which format: the one way to standard output for all that prints rows."""

from __future__ import annotations

import os
import re
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, TextIO

from pipeline.cli.json_rows import write_json, write_jsonl
from pipeline.cli.terminal import note, terminal_width
from pipeline.errors import LakeError, UsageError
from pipeline.inert import inert

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("table", "csv", "json", "jsonl", "parquet", "markdown")
SPREADSHEET = "spreadsheet"
"""CSV in which no text is a formula: what `--spreadsheet` makes of csv."""

_STDOUT = (None, "-", "/dev/stdout")
"""Names of standard output: a file that it is redirected to is not to be replaced by another."""

_NEEDS_QUOTES = re.compile(r'[,"\r\n]|^\s|\s$|^$')

_SUFFIXES = {f".{name}": name for name in FORMATS} | {".md": "markdown", ".ndjson": "jsonl"}
_PACKED = (".gz", ".zst")


class Rows(Protocol):
    """A stream of rows: a schema that is known at once, then record batches."""

    @property
    def schema(self) -> pa.Schema:
        """The columns."""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The rows, in order."""


def chosen_format(
    format: str | None,
    output: str | None,
    default: str = "table",
    formats: Sequence[str] = FORMATS,
) -> str:
    """The format asked for, else the one the output file's name tells, else the default.

    Raises:
        UsageError: The name has a suffix that tells none, and may promise what the file is not.
    """
    path = Path(output or "")
    packed = path.suffix.lower() in _PACKED
    suffix = (path.with_suffix("") if packed else path).suffix.lower()
    if format or suffix == ".txt" or not (suffix or packed):
        return format or default
    if suffix not in _SUFFIXES:
        known = ", ".join(s for s, f in _SUFFIXES.items() if f in formats and f != "table")
        raise UsageError(
            f"--output {output}: {suffix or path.suffix} tells no format: end it in {known} or .txt"
            f" ({' or '.join(_PACKED)} behind that compresses the file), or give --format"
        )
    return _SUFFIXES[suffix]


def write_rows(rows: Rows, format: str, output: str | None = None) -> int:
    """Write rows as they come.

    Args:
        rows: What to write.
        format: One of `FORMATS`, or `SPREADSHEET`.
        output: File to write, which appears only when it is whole; None or ``-`` for standard
            output.

    Returns:
        The number of rows written.

    Raises:
        UsageError: Parquet to a terminal; no folder for the file; two columns of one name in a
            format that tells them by their names.
        OSError: The file cannot be written.
    """
    counted = _Counted(rows)
    if format in ("json", "jsonl", "parquet"):
        names = Counter(counted.schema.names)
        if twice := [name for name, times in names.items() if times > 1]:
            what = f"{len(counted.schema)} columns, {twice[0]!r} twice"
            raise UsageError(f"--format {format}: {what}: give one another name with AS")
    if format == "parquet":
        _refuse_terminal(output)
        with destination(output) as out:
            from pipeline.cli.parquet_rows import write_parquet

            write_parquet(counted.schema, iter(counted), out.buffer)
        return counted.rows
    with destination(output) as out:
        if format == "table":
            from pipeline.cli.table import write_table

            width = terminal_width(out)
            hidden = write_table(counted.schema, iter(counted), out, width)
            if counted.rows:
                tell_hidden(hidden)
        else:
            _WRITERS[format](counted.schema, iter(counted), out)
    if not counted.rows and format in ("table", "markdown"):
        note("no rows")
    return counted.rows


def check_output(
    output: str | None, option: str, format: str = "", made: Iterable[Path] = ()
) -> None:
    """Refuse what could not be written, before the work that is to be written.

    Args:
        output: as of `destination`.
        option: what names it.
        format: of what will be written.
        made: folders that the work makes.

    Raises:
        UsageError: as of `write_rows` and `destination`.
        LakeError: no file can be made there.
    """
    if format == "parquet":
        _refuse_terminal(output)
    if output is None or output in _STDOUT:
        return
    path = Path(output)
    try:
        if _is_odd(path):
            return
        if not path.parent.exists() and path.parent.absolute() in (it.absolute() for it in made):
            return
        _refuse(path, option)
        place = Path(os.path.realpath(path)).parent
        tempfile.NamedTemporaryFile(prefix=f".{path.name}.", dir=place).close()
    except OSError as error:
        what = f"{option} {output}: {error.strerror or error}"
        raise LakeError(f"{what}: mend that, or name another file") from None


def _refuse_terminal(output: str | None) -> None:
    if output in _STDOUT and sys.stdout.isatty():
        raise UsageError("--format parquet: binary to a terminal: name a file with --output")


@contextmanager
def destination(output: str | None, option: str = "--output") -> Iterator[TextIO]:
    """Standard output, or a file that replaces its earlier self only when it is whole.

    Args:
        output: the file; None or ``-`` for standard output.
        option: what names it.

    Raises:
        UsageError: No folder for the file, or it is a part of a lake.
        OSError: It cannot be written; the error names it.
    """
    to_stdout = output in _STDOUT
    try:
        with nullcontext(sys.stdout) if to_stdout else _file(Path(str(output)), option) as out:
            yield out
            out.flush()
    except OSError as error:
        if error.filename is None:
            error.filename = "standard output" if to_stdout else output
        raise


@contextmanager
def _file(path: Path, option: str) -> Iterator[TextIO]:
    if _is_odd(path):  # a pipe or a device is written where it is
        with path.open("wb") as file, _text(file, path) as out:
            yield out
        return
    _refuse(path, option)
    target = Path(os.path.realpath(path))  # a link stays one
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        error.filename = str(path)  # as it was given
        raise
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as file, _text(file, path) as out:
            yield out
        unfinished.chmod(_mode(target))
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _is_odd(path: Path) -> bool:
    """It is there, and neither a file nor a folder."""
    with suppress(FileNotFoundError):
        kind = path.stat().st_mode
        return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))
    return False


def _refuse(path: Path, option: str) -> None:
    if path.is_dir():
        raise UsageError(f"{option} {path}: is a folder: name a file in it")
    if not path.parent.is_dir():
        raise UsageError(f"{option} {path}: no folder {path.parent}: make it, or name another file")
    if lake := _lake_of(path):
        raise UsageError(f"{option} {path}: a file of the lake {lake}: name one outside of it")


@contextmanager
def _text(file: IO[bytes], path: Path) -> Iterator[TextIO]:
    """Text on its way into a file, compressed where the file's name says so."""
    with ExitStack() as stack:
        if path.suffix.lower() in _PACKED:
            from pipeline.synth.writers import compression_of, packed

            file = stack.enter_context(packed(file, compression_of(path)))
        yield stack.enter_context(TextIOWrapper(file, encoding="utf-8", newline="\n"))


def _lake_of(path: Path) -> Path | None:
    """The lake that a file would be a part of; None of what a person may put beside its parts."""
    whole = Path(os.path.realpath(path))
    for folder in whole.parents:
        if (folder / "ledger.db").is_file():
            beside = whole.parent == folder and not whole.name.startswith(("ledger.db", "open.sql"))
            return None if beside else folder
    return None


def _mode(path: Path) -> int:
    """Who may do what with a file: as with the one that it replaces, else as the umask says."""
    with suppress(FileNotFoundError):
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


class _Counted:
    def __init__(self, rows: Rows) -> None:
        self.schema = rows.schema
        self.rows = 0
        self._batches: Iterable[pa.RecordBatch] = rows

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            self.rows += batch.num_rows
            yield batch


def tell_hidden(names: list[str]) -> None:
    """Name the columns that did not fit on standard error, if there are any."""
    if names:
        from pipeline.cli.options import takes

        what = "1 column does not fit" if len(names) == 1 else f"{len(names)} columns do not fit"
        fewer = "fewer, or for " if takes("columns", "query") else ""
        note(f"{what}: {', '.join(names)}: ask for {fewer}--format json")


def _csv(schema: pa.Schema, batches: Iterator[pa.RecordBatch], out: TextIO) -> None:
    from pipeline.cli.cells import exact

    def cells(column: pa.Array) -> list[str]:
        return ["" if text is None else _quoted(text) for text in exact(column)]

    _write_csv([_quoted(field.name) for field in schema], batches, cells, out)


def _spreadsheet(schema: pa.Schema, batches: Iterator[pa.RecordBatch], out: TextIO) -> None:
    from pipeline.cli.spreadsheet import safe_cell, safe_cells

    def cells(column: pa.Array) -> list[str]:
        return [cell or "" for cell in safe_cells(column)]

    _write_csv([safe_cell(field.name) for field in schema], batches, cells, out)


def _write_csv(
    head: Sequence[str],
    batches: Iterator[pa.RecordBatch],
    cells: Callable[[pa.Array], list[str]],
    out: TextIO,
) -> None:
    """Write rows of cells; NULL is nothing at all, the empty text a pair of quotes."""
    show: Callable[[str], str] = inert if out.isatty() else str
    out.write(show(",".join(head)) + "\n")
    for batch in batches:
        lines = map(",".join, zip(*map(cells, batch.columns), strict=True))
        out.writelines(f"{show(line)}\n" for line in lines)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def _markdown(schema: pa.Schema, batches: Iterator[pa.RecordBatch], out: TextIO) -> None:
    from pipeline.cli.table import write_markdown

    write_markdown(schema, batches, out)


_WRITERS = {
    "csv": _csv,
    SPREADSHEET: _spreadsheet,
    "json": write_json,
    "jsonl": write_jsonl,
    "markdown": _markdown,
}
