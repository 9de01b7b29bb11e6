"""The generated part of `data/samples`; its README says what each file shows."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.synth.stream import START, job, jobs
from pipeline.synth.writers import (
    checkpoint_page,
    exchange,
    opened,
    pages,
    polls,
    write_documents,
    write_files,
    write_lines,
)

SEED = 20250101
DAY = 86_400


def write_samples(folder: Path) -> int:
    """Write the samples, over those that are there; files of other names are left alone.

    Args:
        folder: where to write; made if absent.

    Returns:
        How many events were written, those written twice counted twice.
    """
    folder.mkdir(parents=True, exist_ok=True)
    single = {
        "openai-supervised": job(SEED, 47, events=160, start=START),
        "openai-preference": job(SEED, 2, events=90, start=START + DAY, method="preference"),
        "openai-reinforcement": job(
            SEED, 3, events=30, start=START + 2 * DAY, method="reinforcement"
        ),
        "openai-running": job(SEED, 4, events=60, start=START + 3 * DAY, outcome="running"),
        "openai-cancelled": job(SEED, 5, events=50, start=START + 4 * DAY, outcome="cancelled"),
        "openai-restart": job(SEED, 6, events=120, start=START + 5 * DAY, restarts=2),
    }
    written = 0
    for name, made in single.items():
        with opened(folder / f"{name}.jsonl") as out:
            written += write_lines([made], out)

    failed = [
        job(SEED, 10, start=START + 6 * DAY, outcome="failed", failure="few_examples"),
        job(SEED, 11, start=START + 6 * DAY + 900, outcome="failed", failure="bad_format"),
        job(SEED, 12, start=START + 6 * DAY + 1800, outcome="failed", failure="unsafe_file"),
        job(SEED, 13, events=40, start=START + 7 * DAY, outcome="failed", failure="internal"),
        job(SEED, 14, events=40, start=START + 8 * DAY, outcome="failed", failure="unsafe_model"),
    ]
    with opened(folder / "openai-failed.jsonl") as out:
        written += write_lines(failed, out)

    azure = folder / "azure"
    azure.mkdir(exist_ok=True)
    paged = job(SEED, 20, events=45, start=START + 9 * DAY, dialect="azure")
    written += write_documents(pages(paged), azure, f"{paged.job_id}.page", indent=2)
    # Submitted together: their metrics events have the same ids.
    twins = [
        job(SEED, 21, events=40, start=START + 10 * DAY, dialect="azure"),
        job(SEED, 22, events=40, start=START + 10 * DAY, dialect="azure", method="preference"),
    ]
    written += write_files(twins, azure)
    beside = job(SEED, 27, events=40, start=START + 11 * DAY, dialect="azure")
    with opened(azure / "page-and-checkpoints.json") as out:
        for document in (next(pages(beside, limit=30)), checkpoint_page(beside)):
            out.write(json.dumps(document, indent=2).encode("ascii") + b"\n")
    written += 30

    polled = folder / "polled"
    polled.mkdir(exist_ok=True)
    watched = job(SEED, 30, events=110, start=START + 12 * DAY)
    written += write_documents(polls(watched), polled, "poll", indent=2)

    recorded = job(SEED, 31, events=40, start=START + 13 * DAY)
    with opened(folder / "recorded-exchange.json") as out:
        out.write(json.dumps(exchange(recorded), indent=2).encode("ascii") + b"\n")
    written += len(recorded.events)

    for name, begin in (("many-jobs.jsonl", 20), ("january.jsonl.gz", 30), ("march.jsonl.zst", 80)):
        with opened(folder / name) as out:
            some = jobs(SEED + begin, 8, events=480, start=START + begin * DAY)
            written += write_lines(some, out)
    return written
