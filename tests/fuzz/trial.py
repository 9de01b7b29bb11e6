"""One lake full of mutated input, the whole way and back out again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import duckdb
from comparison import Comparison
from dumps_of import files
from engine import asked
from seeds import Seeds
from soundness import unsound
from strategies import comparable
from verdicts import meant, parsed

from pipeline import open_lake, views
from pipeline.lake.lake import Lake

JOB = "ftjob-" + "F" * 24
CONTENT = """
select job_id, event_id, created_at, level, type, message, object,
    translate(data, chr(10) || chr(13), '  ') as data,
    translate(extra, chr(10) || chr(13), '  ') as extra
from lake_events
where not starts_with(event_id, 'hash-')
order by all
"""
"""Events as an export gives them again: line breaks in a payload are spaces there."""


@dataclass
class Trial:
    """What came of a lake of mutated input.

    Attributes:
        counts: inputs, records, and what became of them.
        wrong: what differs from the independent reader, in words, with the input.
    """

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def trial(folder: Path, seeds: Seeds, seed: int, inputs: int) -> Trial:
    """Let so many mutated inputs go the whole way, and back out again."""
    random, done = Random(seed), Trial()
    (folder / "dumps").mkdir(parents=True)
    made = list(files(folder / "dumps", seeds, random, inputs))
    job = JOB if seed % 4 else None
    with open_lake(folder / "lake") as lake:
        paths = [file.path for file in made]
        report = lake.ingest(paths, job_id=job, force=bool(job))
        problems = {source.path: source.problem or "" for source in report.refused}
        compared = Comparison(lake, job, problems)
        for file in made:
            compared.compare(file)
        compared.settle()
        done.counts, done.wrong = compared.counts, compared.wrong
        done.counts["inputs"] += sum(file.inputs for file in made)
        done.counts["files"] += len(made)
        done.wrong += _afterwards(lake, folder, paths, report, compared)
    done.wrong += unsound(folder / "lake", settled=True)
    return done


def _afterwards(
    lake: Lake, folder: Path, paths: list[Path], report: Any, compared: Comparison
) -> Iterator[str]:
    """What is wrong with views, repeats, replays and the way out and in again."""
    con = asked(lake)
    for view in views.catalogue():
        try:
            con.sql(f"from {view.name}").fetchall()
        except duckdb.Error as error:
            yield f"{view.name} fails: {error}"
    before = lake.sql("from lake_sources order by all")
    again = lake.ingest(paths, job_id=compared.job, force=bool(compared.job))
    if {source.status for source in again.sources} - {"known", "refused"}:
        yield "a second time, not all is known"
    if lake.replay_rejects().passed:
        yield "rejects pass when they are read again"
    lake.refresh()
    if not lake.sql("from lake_sources order by all").equals(before):
        yield "sources change by repeats"
    out = list(lake.export_events())
    winners = compared.winners()
    for line in out:
        value = parsed(line)
        event_id = value.get("id")
        if event_id and meant(value):
            sent = [comparable(known) for known in winners.get(event_id, [])]
            if comparable(value) not in sent:
                yield f"exported {line[:2_000]!r}, but sent was {winners.get(event_id)}"
    (folder / "export.jsonl").write_text("\n".join(out) + "\n", "utf-8")
    with open_lake(folder / "again") as other:
        if other.ingest([folder / "export.jsonl"]).reject_count:
            kept = other.sql("select reason, detail, raw from lake_rejects limit 3").to_dicts()
            yield f"of its own export some is rejected: {kept}"
        if not other.sql(CONTENT).equals(lake.sql(CONTENT)):
            yield "its own export gives other events"
