"""`python -m tests.detectors [--seed N]`: measure the detectors; figures into docs/detectors.md.

`--clean N` counts the alarms in so many clean jobs instead, and leaves the page as it is.

Kind, place and size of the faults are drawn from the seed, which is drawn itself where none is
given. Ends with exit code 1, and leaves the page as it was, where a detector misses its mark.
"""

from __future__ import annotations

import argparse
import re
import secrets
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "detectors.md"
sys.path[:0] = [str(ROOT / "tests")]

from planted.jobs import KINDS  # noqa: E402
from planted.measure import Outcome, planted, summary, wrong_alarms  # noqa: E402
from planted.noise import pools, spread  # noqa: E402

SIZES = ((0.25, 0.5), (0.5, 1.0), (1.0, 1.5), (1.5, 2.5), (2.5, 8.0))
SEEN = (1.0, 8.0)
"""Visibility of the faults that a person sees, up to the greatest that is planted."""

ALL = (0.0, 100.0)

FAULTS, CLEAN, MARK = 4_500, 1_000, 0.95
BATCH = 700
"""Jobs in one lake."""


def measured(seed: int, count: int, kinds: Sequence[str | None], noise: list) -> list[Outcome]:  # type: ignore[type-arg]
    """Outcomes of many jobs, a lake at a time."""
    found: list[Outcome] = []
    for begin in range(0, count, BATCH):
        found += planted(seed + begin, min(BATCH, count - begin), kinds, noise)
        click.echo(f"{len(found):,} of {count:,} jobs", err=True)
    return found


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Recall by size, then precision by size, one row a kind."""
    sizes = " | ".join(f"{a:g} to {b:g}" for a, b in SIZES)
    yield f"| recall | {sizes} | seen |"
    yield "| --- " + "| ---: " * (len(SIZES) + 1) + "|"
    for kind in KINDS:
        cells = [summary(outcomes, kind, *size) for size in (*SIZES, SEEN)]
        told = " | ".join(f"{100 * found / max(n, 1):.1f} % of {n}" for n, found in cells)
        yield f"| {kind} | {told} |"
    yield from ("", f"| precision | {sizes} | all |", "| --- " + "| ---: " * (len(SIZES) + 1) + "|")
    for kind in KINDS:
        told = " | ".join(precision(outcomes, kind, *size) for size in (*SIZES, ALL))
        yield f"| {kind} | {told} |"


def precision(outcomes: Sequence[Outcome], kind: str, low: float, high: float) -> str:
    """Right alarms of a kind among all of it, in jobs with a fault of that size, of any kind."""
    own = [o for o in outcomes if low <= o.job.visibility < high]
    right, wrong = summary(own, kind, low, high)[1], wrong_alarms(own)[kind]
    return (
        f"{100 * right / (right + wrong):.1f} % of {right + wrong}" if right + wrong else "no alarm"
    )


def misses(outcomes: Sequence[Outcome], clean: Sequence[Outcome]) -> Iterator[str]:
    """What is below the mark, in words."""
    wrong = wrong_alarms(outcomes)
    for kind in KINDS:
        planted_faults, found = summary(outcomes, kind, *SEEN)
        right = summary(outcomes, kind, *ALL)[1]
        if found < MARK * planted_faults:
            yield f"{kind}: {found} of {planted_faults} faults that a person sees were found"
        if right < MARK * (right + wrong[kind]):
            yield f"{kind}: {wrong[kind]} alarms beside {right} right ones"
    for outcome in clean:
        for kind, row in outcome.alarms:
            yield f"{kind}: alarm in a clean job: {row}"


def main() -> int:
    """Measure, print, write the page; 0 if every mark is met."""
    parser = argparse.ArgumentParser(description="planted faults and how many are found")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(900_000))
    parser.add_argument("--clean", type=int, help="clean jobs, and nothing else")
    asked = parser.parse_args()
    seed = asked.seed
    known = pools()
    noise = [ratios for _, ratios in known]
    told = "log-normal: the corpus is not here"
    if known:
        spreads = sorted(spread(ratios) for ratios in noise)
        told = f"of {len(known)} real curves, spread {spreads[0]:.2f} to {spreads[-1]:.2f}"
    click.echo(f"seed {seed}, noise {told}")
    if asked.clean:
        found = [o for o in measured(seed, asked.clean, [None], noise) if o.alarms]
        click.echo("\n".join(f"{kind}: {row}" for o in found for kind, row in o.alarms))
        click.echo(f"{asked.clean:,} clean jobs, with alarms: {len(found)}")
        return 0
    faults = measured(seed, FAULTS, KINDS, noise)
    clean = measured(seed + FAULTS, CLEAN, [None], noise)
    lines = [*table(faults), "", f"Clean jobs: {len(clean):,}, with alarms: "
             f"{sum(bool(o.alarms) for o in clean)}. Seed {seed}, noise {told}."]  # fmt: skip
    click.echo("\n".join(lines))
    if wrong := list(misses(faults, clean)):
        click.echo("\n".join(f"BELOW THE MARK {text}" for text in wrong))
        return 1
    begin, end = "<!-- measured -->", "<!-- end: measured -->"
    body = "\n".join([begin, "", *lines, "", end])
    text = PAGE.read_text(encoding="utf-8")
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    PAGE.write_text(re.sub(pattern, lambda _: body, text, flags=re.DOTALL), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
