"""`python -m tests.torture [PART...]`: the long forms; their figures go into docs/reliability.md.

Parts run side by side, cut into units of some minutes, each in a process of its own. A part's
figures are written as soon as its last unit is done. One that finds something wrong ends the run
with exit code 1, and its figures stay as they were; what was found is told again at the end.

    python -m tests.torture power races       two of the parts
    python -m tests.torture --share 0.02      all of them in a fiftieth; figures are shown, not kept
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "docs" / "reliability.md"
sys.path[:0] = [str(ROOT / "tests" / "crash"), str(ROOT / "tests")]

import power  # noqa: E402
from commands import COMMANDS  # noqa: E402
from kills import random_kills  # noqa: E402
from polls import polls  # noqa: E402
from races import races  # noqa: E402
from sweep import ERRORS, KILL, Sweep  # noqa: E402

Figures = dict[str, Any]
KILLS, EVENTS, CUTS, CONTROLS, INPUTS, PAGES = 1_000, 1_000_000, 100, 20, 100_000, 10_000
ANY = "tests/fuzz/test_fuzz.py::test_any_records"
HOSTILE = ["tests/hostile", "tests/test_hostile_output.py", "tests/test_compression.py"]
ESCAPES = "tests/test_query_escapes.py"
SUITES = (("fuzz", [ANY], 20), ("hostile", HOSTILE, 5), ("escapes", [ESCAPES], 2))
"""Parts, the tests of the suite that belong to them, how many times the usual effort."""
PARTS = ("sweep", "kills", "power", "races", "polls", "fuzz", "hostile", "escapes")
SHARES = 4
"""Into how many units kills and power cuts are cut."""


@dataclass(frozen=True)
class Unit:
    """A piece of a part: what to run, with what."""

    part: str
    run: Callable[..., tuple[Figures, list[str]]]
    options: dict[str, Any]


def sweep_unit(folder: Path, command: int, every: int = 1) -> tuple[Figures, list[str]]:
    """Each fault at every changing call of one command, or at every n-th."""
    tally: Counter[str] = Counter()
    sweep = Sweep(COMMANDS[command], folder)
    points = sweep.points[every // 2 :: every]
    wrong = [
        text
        for fault in (KILL, *ERRORS)
        for point in points
        for text in sweep.attempt(point, fault, tally)
    ]
    calls, masked = len(points), sweep.masked
    return {"command": command, "calls": calls, "masked": masked, **tally}, wrong


def plain_unit(folder: Path, what: str, **options: Any) -> tuple[Figures, list[str]]:
    """Random kills, power cuts, races or polls."""
    made = {"kills": random_kills, "power": power.power_losses, "races": races, "polls": polls}[
        what
    ]
    figures = asdict(made(folder, **options))  # type: ignore[operator]
    wrong = figures.pop("wrong")
    if options.get("synced") is False:  # the control has to lose
        figures = {f"control_{name}": value for name, value in figures.items()}
        wrong = [] if figures["control_lost"] else ["without syncing nothing was lost"]
    return figures, wrong


def fuzz_unit(folder: Path, inputs: int, seed: int) -> tuple[Figures, list[str]]:
    """Mutated records, by `python -m tests.fuzz`."""
    command = [sys.executable, "-m", "tests.fuzz", "--inputs", str(inputs), "--seed", str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        found = [text[:2_000] for text in done.stderr.splitlines() if text.startswith("WRONG")]
        return {}, found or [f"exit code {done.returncode}: {done.stderr[-2000:]}"]
    return json.loads(done.stdout), []


def suite_unit(folder: Path, tests: list[str], effort: int) -> tuple[Figures, list[str]]:
    """Tests of the suite, in their long form; how many of each function passed."""
    report = folder / "junit.xml"
    command = [sys.executable, "-m", "pytest", "-q", f"--junit-xml={report}", *tests]
    environment = {**os.environ, "TUNELOG_EFFORT": str(effort)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    found: Counter[str] = Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        found["skipped" if len(case) else case.attrib["name"].partition("[")[0]] += 1
    return {"tests": found.total() - found["skipped"], **found}, (
        [done.stdout[-2000:]] if done.returncode else []
    )


def units(parts: Iterable[str], share: float = 1.0) -> list[Unit]:
    """What there is to do for some parts, the longest first; `share`: how much of all of it."""

    def some(number: int) -> int:
        return max(round(number * share / SHARES), 1)

    seeds, every = range(SHARES), round(1 / share)
    made = [
        Unit("sweep", sweep_unit, {"command": number, "every": every}) for number in (1, 0, 2, 4, 3)
    ]
    size = {"pages": some(PAGES * SHARES)}
    made.append(Unit("polls", plain_unit, {"what": "polls", **size}))
    size = {"kills": some(KILLS), "events": some(EVENTS) + 1_000}
    made += [Unit("kills", plain_unit, {"what": "kills", "seed": n, **size}) for n in seeds]
    if power.missing() is None:
        cuts = [{"trials": some(CUTS), "seed": n} for n in seeds]
        cuts.append({"trials": some(CONTROLS * SHARES), "seed": SHARES, "synced": False})
        made += [Unit("power", plain_unit, {"what": "power", **cut}) for cut in cuts]
    elif "power" in parts:
        click.echo(f"power: skipped: {power.missing()}", err=True)
    size = {"jobs": 4, "events": max(round(400 * share), 8)}
    made.append(Unit("races", plain_unit, {"what": "races", "seed": 1, **size}))
    size = {"inputs": some(INPUTS)}
    made += [Unit("fuzz", fuzz_unit, {"seed": 1 + 1_000 * n, **size}) for n in seeds]
    for part, tests, effort in SUITES:
        made.append(
            Unit(part, suite_unit, {"tests": tests, "effort": max(round(effort * share), 1)})
        )
    return [unit for unit in made if unit.part in parts]


def timed(unit: Unit) -> tuple[Figures, list[str], float]:
    """Run a unit in a folder of its own."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        place = Path(folder) / "place"
        if unit.part != "sweep":
            place.mkdir()
        try:
            figures, wrong = unit.run(place, **unit.options)
        except Exception:  # what a part does not expect is a finding too, not the end of the others
            figures, wrong = {}, [traceback.format_exc()]
    return figures, wrong, time.monotonic() - begin


# -- the report ------------------------------------------------------------------------------------


def added(found: list[Figures]) -> Counter[str]:
    """The numbers of units, added up."""
    total: Counter[str] = Counter()
    for figures in found:
        total.update({name: n for name, n in figures.items() if isinstance(n, int)})
    return total


def sweep_table(found: list[Figures]) -> list[str]:
    """One row a command."""
    rows = ["| command | changing calls | killed at | survived | calls failed | told, exit code 3 "
            "| borne | not reached |", "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for number, command in enumerate(COMMANDS):
        total = added([f for f in found if f["command"] == number])
        failed = total["refused"] + total["borne"]
        rows.append(
            f"| `{command.name}` | {total['calls']:,} | {total['killed']:,} | {total['killed']:,} "
            f"| {failed:,} | {total['refused']:,} | {total['borne']:,} "
            f"| {total['not reached'] + total['masked'] * (1 + len(ERRORS)):,} |"
        )
    return rows


SENTENCES = {
    "kills": "{killed:,} commands killed of {commands:,}, over {events:,} events in "
    "{acknowledged:,} dumps; {late:,} had committed before they died. Lost: 0. Doubled: 0.",
    "power": "{trials:,} power cuts, {amid:,} of them amid a command, with {acknowledged:,} dumps "
    "acknowledged before. Lost: {lost:,}. Control, without syncing: of {control_trials:,} cuts "
    "{control_lost:,} lost what was acknowledged or broke the lake.",
    "races": "{ingests:,} ingests of 8 processes, {answers:,} queries and {compactions:,} "
    "compactions meanwhile, {events:,} events in the end. Lost: 0. Doubled: 0. Refused: 0. "
    "{waits:,} writers said that they wait, {named:,} for whom.",
    "polls": "{pages:,} pages, an ingest each, {answers:,} queries meanwhile; never more than "
    "{most:,} files of a table, {files:,} of all tables after a compaction, which hold {events:,} "
    "events. Lost: 0. Doubled: 0.",
    "fuzz": "{inputs:,} mutated inputs in {files:,} files and {lakes:,} lakes: {records:,} "
    "records, of them {events:,} events, {duplicates:,} duplicates, {rejects:,} rejects, "
    "{ignored:,} ignored, {blank:,} blank; {refused:,} files refused as a whole. Crashes: 0. Not "
    "conserved: 0. Verdicts and values other than the independent reader's: 0.",
    "hostile": "{tests:,} tests passed, {skipped:,} skipped, a line of 1 GB among them.",
    "escapes": "{test_escape:,} escapes that read or write, none succeeded; {test_exhaustion:,} "
    "that would eat memory or time, all ended in their limits; {tests:,} tests passed in all.",
}


def told(part: str, found: list[Figures]) -> list[str]:
    """What a part found, for the report."""
    if part == "sweep":
        return sweep_table(found)
    return [SENTENCES[part].format_map(added(found))]


def write_report(part: str, lines: list[str]) -> None:
    """Put lines between a part's markers."""
    begin, end = f"<!-- torture: {part} -->", f"<!-- end: {part} -->"
    text = REPORT.read_text(encoding="utf-8")
    if begin not in text or end not in text:
        raise SystemExit(f"{REPORT.name}: no markers of {part}: write {begin} and {end}")
    body = "\n".join([begin, "", *lines, "", end])
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    REPORT.write_text(re.sub(pattern, lambda _: body, text, flags=re.DOTALL), encoding="utf-8")


def asked() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(description="the long forms of the reliability tests")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all")
    parser.add_argument("--jobs", type=int, default=2, help="how many units run at once")
    parser.add_argument("--share", type=float, default=1.0, help="how much of each part, up to 1")
    found = parser.parse_args()
    if unknown := set(found.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}: one of {', '.join(PARTS)}")
    if not 0 < found.share <= 1:
        parser.error(f"--share is {found.share}: give a number above 0, up to 1")
    return found


def main() -> int:
    """Run parts; 0 if nothing was wrong."""
    options, begin = asked(), time.monotonic()
    found: defaultdict[str, list[Figures]] = defaultdict(list)
    spent: Counter[str] = Counter()
    wrong: defaultdict[str, list[str]] = defaultdict(list)
    todo = units(options.parts or PARTS, options.share)
    left, context = Counter(unit.part for unit in todo), get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context, max_tasks_per_child=1) as pool:
        waiting = {pool.submit(timed, unit): unit for unit in todo}
        for number, done in enumerate(as_completed(waiting), 1):
            unit = waiting[done]
            part = unit.part
            figures, texts, seconds = done.result()
            found[part].append(figures)
            wrong[part] += texts
            spent[part] += round(seconds)
            left[part] -= 1
            click.echo(f"{number}/{len(todo)} {part} {unit.options} {seconds:.0f} s: {figures}")
            for text in texts:
                click.echo(f"WRONG {part}: {text}")
            if not left[part] and not wrong[part]:
                took = f"{time.strftime('%Y-%m-%d', time.gmtime())}, {spent[part] / 60:.0f} minutes"
                lines = [*told(part, found[part]), "", f"({took} of one core)"]
                click.echo("\n".join([f"-- {part}: nothing wrong", *lines]))
                if options.share == 1:
                    write_report(part, lines)
    click.echo(f"{(time.monotonic() - begin) / 60:.0f} minutes")
    for part, texts in wrong.items():
        if texts:
            click.echo(f"{part}: {len(texts)} things wrong, its figures stay as they were:")
            click.echo("\n".join(f"    {text}" for text in texts))
    return int(any(wrong.values()))


if __name__ == "__main__":
    raise SystemExit(main())
