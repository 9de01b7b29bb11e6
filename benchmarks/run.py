"""Speed and memory of tunelog beside its peers, as ratios of one run: `make bench`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.archive import EVENTS, JOBS, LATENCY, archived, served
from benchmarks.inputs import KNOWN_JOBS, NEW_EVENTS, Inputs, emptied, totals
from benchmarks.measure import (
    PYTHON,
    ROOT,
    TUNELOG,
    Run,
    alternate,
    effort,
    ratio,
    run,
    typical,
    warm,
)
from benchmarks.report import page, table
from pipeline.views import catalogue

MEMORY_GOAL = 1_500_000_000
VIEW_MEMORY_GOAL = 2_000_000_000


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        what: what was measured.
        result: the figure, in words.
        goal: what it ought to be, in words.
        met: whether it is.
    """

    what: str
    result: str
    goal: str
    met: bool


def ingest(inputs: Inputs, rounds: int) -> Iterator[Figure]:
    """One large file into an empty lake, against bare conversions; the same file again."""
    yield from _against_peers(inputs, inputs.lines(), "one file", str(inputs.lines()), rounds)
    lake = inputs.folder / "again"
    command = _ingest(inputs.lines(), lake)
    run(command)
    again = [run(command) for _ in range(rounds)]
    _expect(again, "known", 0)
    seconds = typical(again)
    yield Figure("the same file again", f"{seconds:.2f} s", "under 1 s", seconds < 1)


def files(inputs: Inputs, rounds: int) -> Iterator[Figure]:
    """Many small files into an empty lake, against bare conversions of the glob."""
    folder = inputs.many_files()
    count = sum(1 for _ in folder.iterdir())
    glob = f"{folder}/*.jsonl"
    yield from _against_peers(inputs, folder, f"{count:,} files", glob, rounds)


def _against_peers(
    inputs: Inputs, source: Path, name: str, glob: str, rounds: int
) -> Iterator[Figure]:
    lake, target = inputs.folder / "fresh", inputs.folder / "peer.parquet"
    warm(source)

    def peer(which: str) -> Callable[[int], Sequence[str]]:
        module = (*PYTHON, "benchmarks.peers", which, glob)
        return lambda _: (*module, str(emptied(target)))

    runs = alternate(
        {
            "tunelog": lambda _: _ingest(source, emptied(lake)),
            "duckdb": peer("duckdb"),
            "polars": peer("polars"),
        },
        rounds,
    )
    counted = _expect(runs["tunelog"], "new", None)
    size = sum(f.stat().st_size for f in ([source] if source.is_file() else source.iterdir()))
    what = f"ingest of {name}, {counted:,} events, {size / 1e6:,.0f} MB"
    for rival, goal in (("duckdb", 0.8), ("polars", None)):
        speed = ratio(runs[rival], runs["tunelog"])
        ours, theirs = typical(runs["tunelog"]), typical(runs[rival])
        work = effort(runs["tunelog"], runs[rival])
        result = f"{speed:.2f} of its speed ({ours:.2f} s, it {theirs:.2f} s)"
        result += f", {work:.2f} times its processor time"
        wanted = f"{goal} or more" if goal else "none set"
        yield Figure(f"{what}, against {rival}", result, wanted, not goal or speed >= goal)


def documents(inputs: Inputs, rounds: int) -> Iterator[Figure]:
    """One array of events, against the same events as lines."""
    sources = {"array": inputs.page(), "lines": inputs.lines()}
    lake = inputs.folder / "fresh"
    commands = {n: lambda _, s=s: _ingest(s, emptied(lake)) for n, s in sources.items()}
    runs = alternate(commands, rounds)
    for ran in runs.values():
        _expect(ran, "new", None)
    sources["array"].unlink()
    slower = ratio(runs["array"], runs["lines"])
    seconds = typical(runs["array"]), typical(runs["lines"])
    result = f"{slower:.2f} times their time ({seconds[0]:.2f} s, they {seconds[1]:.2f} s)"
    yield Figure("one JSON array, against the same events as lines", result, "none set", True)


def memory(inputs: Inputs, _: int) -> Iterator[Figure]:
    """Greatest memory of an ingest, and whether it grows with the input."""
    for name, source in (
        ("one file", inputs.lines()),
        ("one file four times as large", inputs.lines(4)),
        ("one JSON array", inputs.array()),
    ):
        ran = run(_ingest(source, emptied(inputs.folder / "fresh")))
        events, size = _expect([ran], "new", None), source.stat().st_size / 1e6
        yield Figure(
            f"peak memory, {name} ({events:,} events, {size:,.0f} MB)",
            f"{ran.peak / 1e6:,.0f} MB",
            f"under {MEMORY_GOAL / 1e6:,.0f} MB",
            ran.peak < MEMORY_GOAL,
        )
        if source.name != "lines-1.jsonl":
            source.unlink()


def large_lake(inputs: Inputs, rounds: int) -> Iterator[Figure]:
    """Few new events into a large lake, against an empty one; a curve and verdicts out of it."""
    lake, news = inputs.lake(rounds)
    held = totals(lake)
    empty = inputs.folder / "empty"
    make_empty = f"from pipeline import open_lake; open_lake({str(empty)!r}).make()"

    def into_empty(number: int) -> Sequence[str]:
        emptied(empty)
        run((sys.executable, "-c", make_empty))
        return _ingest(news[number], empty)

    runs = alternate(
        {"large": lambda number: _ingest(news[number], lake), "empty": into_empty}, rounds
    )
    _expect(runs["large"], "new", NEW_EVENTS)
    _expect(runs["empty"], "new", NEW_EVENTS + KNOWN_JOBS)
    seconds, more = typical(runs["large"]), ratio(runs["large"], runs["empty"])
    size = f"a lake of {held['events']:,} events in {held['jobs']:,} jobs"
    what = f"{NEW_EVENTS:,} new events of {KNOWN_JOBS} known jobs into {size}"
    yield Figure(what, f"{seconds:.2f} s", "under 1 s", seconds < 1)
    yield Figure("the same, against an empty lake", f"{more:.2f} times", "1.5 or less", more <= 1.5)
    for state in ("as ingested", "compacted"):
        if state == "compacted":
            run((*TUNELOG, "compact", "--lake", str(lake)))
        said: dict[str, Any] = json.loads(run((*PYTHON, "benchmarks.curves", str(lake))).output)
        yield Figure(
            f"loss_curves of one job out of it, {state} ({said['files']} files)",
            f"{said['median']:.0f} ms (greatest {said['greatest']:.0f} ms)",
            "under 50 ms",
            said["median"] < 50,
        )
    ran = run((*TUNELOG, "check", "--fail-on", "none", "--lake", str(lake)))
    yield Figure(
        "tunelog check over all of its jobs",
        f"{ran.seconds:.1f} s (processor {ran.work:.1f} s, peak {ran.peak / 1e6:,.0f} MB)",
        "under 20 s",
        ran.seconds < 20,
    )


def views(inputs: Inputs, _: int) -> Iterator[Figure]:
    """Each view of a large lake, for one job and over the whole of it, each in its own process."""
    lake = inputs.large or inputs.lake(1)[0]
    if not inputs.large:
        run((*TUNELOG, "compact", "--lake", str(lake)))
    for view in catalogue():
        if view.layer != "marts":
            continue
        ran = run((*PYTHON, "benchmarks.views", str(lake), view.name))
        said: dict[str, float | None] = json.loads(ran.output)
        job, whole = said["job"], said["lake"]
        one = "" if job is None else f"one job {job:.0f} ms (CPU {said['job_cpu']:.0f} ms), "
        every = f"{whole:.1f} s (CPU {said['lake_cpu']:.1f} s)" if whole else "out of memory"
        yield Figure(
            f"view {view.name}",
            f"{one}whole lake {every}, peak {ran.peak / 1e6:,.0f} MB",
            "100 ms, 10 s, 2,000 MB",
            (job or 0) < 100 and whole is not None and whole < 10 and ran.peak < VIEW_MEMORY_GOAL,
        )


def start(_: Inputs, rounds: int) -> Iterator[Figure]:
    """`tunelog --help`, beside a Python that does nothing."""
    runs = alternate(
        {
            "help": lambda _: (*TUNELOG, "--help"),
            "nothing": lambda _: (sys.executable, "-c", "pass"),
        },
        max(rounds, 5),
    )
    seconds, nothing = typical(runs["help"]), typical(runs["nothing"])
    result = f"{seconds:.2f} s (an empty Python {nothing:.2f} s)"
    yield Figure("tunelog --help", result, "under 0.2 s", seconds < 0.2)


def archive(inputs: Inputs, rounds: int) -> Iterator[Figure]:
    """All of an account archived and ingested, against what the server's latency allows."""
    peaks = []
    for share in (4, 1):
        jobs = inputs.sized(JOBS) // share or 1
        with served(jobs):
            runs = {number: archived(inputs.folder, number) for number in (4, 8)}
            alone, asked = archived(inputs.folder, 8, ingest=False)
        peaks.append(max(ran.peak for ran, _ in runs.values()))
    for concurrency, (ran, requests) in runs.items():
        ideal = requests * LATENCY / concurrency
        yield Figure(
            f"archive and ingest of {jobs:,} jobs of {EVENTS} events,"
            f" {requests:,} requests of {LATENCY * 1000:.0f} ms, {concurrency} at once",
            f"{ran.seconds / ideal:.2f} of the ideal ({ran.seconds:.1f} s, ideal {ideal:.1f} s,"
            f" processor {ran.work:.1f} s)",
            "1.3 or less",
            ran.seconds <= 1.3 * ideal,
        )
    yield Figure(
        "processor time of the archive alone a request, of what 8 at once leave for it",
        f"{alone.work / asked * 1000:.1f} ms, of {LATENCY / 8 * 1000:.1f} ms"
        f" ({alone.seconds / (asked * LATENCY / 8):.2f} of the ideal time)",
        "less",
        alone.work / asked < LATENCY / 8,
    )
    growth = peaks[1] / peaks[0]
    yield Figure(
        "peak memory of the archive, four times the jobs",
        f"{peaks[1] / 1e6:,.0f} MB, {growth:.2f} times",
        "1.3 times or less",
        growth <= 1.3,
    )


PARTS = {
    p.__name__: p for p in (start, ingest, documents, files, memory, large_lake, archive, views)
}


def _ingest(source: Path, lake: Path) -> Sequence[str]:
    return (*TUNELOG, "ingest", str(source), "--lake", str(lake), "--format", "json")


def _expect(runs: Sequence[Run], status: str, events: int | None) -> int:
    """How many events an ingest brought; what was measured has to be what was meant.

    Raises:
        RuntimeError: the sources were of another status, or brought other events.
    """
    brought = 0
    for ran in runs:
        sources = json.loads(ran.output)
        brought = sum(source["events"] for source in sources)
        found = {source["status"] for source in sources}
        if found != {status} or events not in (None, brought):
            raise RuntimeError(f"{brought} events of {found} sources: {events} of {status} meant")
    return brought


def main() -> None:
    """Measure, print, and write `docs/benchmarks.md` if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the size, twice")
    parser.add_argument("--scale", type=float, default=1.0, help="of all sizes (default: 1)")
    parser.add_argument("--rounds", type=int, default=5, help="how often (default: 5)")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; repeatable")
    parser.add_argument("--lake", type=Path, help="a large lake for --only views, instead of a new")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    if options.quick:
        options.scale, options.rounds = 0.02, 2
    if options.write and options.scale != 1:
        parser.error("--write: the page is for the whole size: leave --quick and --scale out")
    figures: list[Figure] = []
    with TemporaryDirectory(prefix="tunelog-bench-") as folder:
        inputs = Inputs(Path(folder), options.scale, options.lake)
        for name in options.only or PARTS:
            for figure in PARTS[name](inputs, options.rounds):
                print(f"{figure.what}: {figure.result}", file=sys.stderr, flush=True)
                figures.append(figure)
    whole = options.scale == 1  # the goals are for the whole size
    met = {True: "yes", False: "no"}
    rows = [(f.what, f.result, f.goal, met[f.met] if whole else "") for f in figures]
    print(table(rows))
    if options.write:
        target = ROOT / "docs" / "benchmarks.md"
        target.write_text(page(rows, sys.argv[1:], options.rounds), encoding="utf-8")


if __name__ == "__main__":
    main()
