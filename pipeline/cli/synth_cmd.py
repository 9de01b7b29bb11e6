"""`tunelog synth`: realistic event dumps of any size, the same for the same seed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.cli.terminal import note
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.synth import Job
    from pipeline.synth.writers import Compression

Command = TypeVar("Command", bound=Callable[..., Any])

FOLDER_FORMS = ("files", "pages", "polls", "samples")
FORMS = ("jsonl", "array", *FOLDER_FORMS)


def _choice(name: str, values: str, text: str) -> Callable[[Command], Command]:
    options = ["mixed", *values.split()]
    return click.option(
        name, type=click.Choice(options), default="mixed", show_default=True, help=text
    )


@click.command()
@click.argument("out", metavar="OUT")
@click.option("--events", type=click.IntRange(min=1), metavar="N",
              help="About how many events in all; 40 to 400 a job by default.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), default=10, show_default=True, metavar="M",
              help="How many jobs.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="S",
              help="Equal seeds and options give equal bytes.")  # fmt: skip
@click.option("--form", type=click.Choice(FORMS), default="jsonl", show_default=True,
              help="What kind of dump.")  # fmt: skip
@_choice("--dialect", "openai azure", "Whose API writes the events.")
@_choice("--method", "supervised preference reinforcement", "What is tuned by.")
@_choice("--outcome", "succeeded failed cancelled running", "How the jobs end.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N",
              help="Events on a page, in pages and polls.")  # fmt: skip
@click.option("--overlap", type=click.IntRange(min=0), metavar="N",
              help="How many of them the next page has, too [0, polls: a quarter]")  # fmt: skip
@click.option("--compression", type=click.Choice(["auto", "none", "gz", "zst"]), default="auto",
              show_default=True, help="auto: as the suffix of a file OUT says.")  # fmt: skip
def synth(
    out: str,
    events: int | None,
    jobs: int,
    seed: int,
    form: str,
    dialect: Any,
    method: Any,
    outcome: Any,
    limit: int,
    overlap: int | None,
    compression: str,
) -> None:
    """Write realistic event dumps to try things on, to OUT.

    OUT is a file, or - for standard output, in the forms jsonl (a line an event, job after job) and
    array (one document). It is a folder in the forms files (one JSON lines file a job), pages (list
    pages of each job, newest first), polls (what a poller prints: overlapping newest pages) and
    samples (the generated part of data/samples; the other options are not used).

    \b
    Examples:
      tunelog synth events.jsonl.zst --jobs 100 --events 20000
      tunelog synth - --dialect openai | tunelog ingest -
      tunelog synth dumps/ --form pages --dialect azure --limit 50
    """
    if dialect == "azure" and method == "reinforcement":
        raise UsageError("synth: --method reinforcement of --dialect azure: use openai or mixed")
    if overlap is None:
        overlap = limit // 4 if form == "polls" else 0
    if form in ("pages", "polls") and overlap >= limit:
        raise UsageError(f"synth: --overlap {overlap}, --limit {limit}: the overlap has to be less")
    if events is not None and events < jobs:
        raise UsageError(f"synth: --events {events} of --jobs {jobs}: ask for more events")
    from pipeline.synth import jobs as make_jobs
    from pipeline.synth.writers import compression_of

    path = Path(out)
    kind: Any = compression
    if compression == "auto":
        kind = "none" if form in FOLDER_FORMS else compression_of(path)
    made = make_jobs(seed, jobs, events=events, dialect=dialect, method=method, outcome=outcome)
    if form not in FOLDER_FORMS:
        written = _to_file(made, out, form, kind)
    elif out == "-":
        raise UsageError(f"synth: - for --form {form}, which is many files: name a folder")
    elif path.exists() and not path.is_dir():
        raise UsageError(f"{out}: a file, but --form {form} is many files: name a folder")
    else:
        path.mkdir(parents=True, exist_ok=True)
        written = _to_folder(made, path, form, limit, overlap, kind)
    note(f"{out}: {written:,} events written")


def _to_file(made: Iterator[Job], out: str, form: str, compression: Compression) -> int:
    from pipeline.synth.writers import opened, write_array, write_lines

    write = write_lines if form == "jsonl" else write_array
    if out == "-":
        return write(made, sys.stdout.buffer)
    path = Path(out)
    if path.is_dir():
        raise UsageError(f"{out}: a folder, but --form {form} is one file: name a file")
    if not path.parent.is_dir():
        raise UsageError(f"{out}: no folder {path.parent}: make it, or name another file")
    try:
        with opened(path, compression) as sink:
            return write(made, sink)
    except OSError as error:
        error.filename = error.filename or out
        raise


def _to_folder(
    made: Iterator[Job], folder: Path, form: str, limit: int, overlap: int, compression: Compression
) -> int:
    from pipeline.synth.samples import write_samples
    from pipeline.synth.writers import pages, polls, write_documents, write_files

    if form == "samples":
        return write_samples(folder)
    if form == "files":
        return write_files(made, folder, compression=compression)
    written = 0
    for job in made:
        if form == "pages":
            documents = pages(job, limit=limit, overlap=overlap)
            stem = f"{job.job_id}.page"
        else:
            documents = polls(job, limit=limit, every=limit - overlap)
            stem = f"{job.job_id}.poll"
        written += write_documents(documents, folder, stem, compression=compression)
    return written
