"""`python -m tests.fuzz`: mutated records the whole way, against an independent reader."""

from __future__ import annotations

import argparse
import faulthandler
import json
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import click

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "crash"), str(HERE.parent)]

from seeds import seeds  # noqa: E402
from trial import Trial, trial  # noqa: E402

INPUTS_OF_A_LAKE = 4_000
TIME_LIMIT = 900
"""How long one lake may take: some 20 where nothing else runs [s]."""


def main() -> int:
    """Fuzz; 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(description="mutated records against an independent reader")
    parser.add_argument("--inputs", type=int, default=10_000, help="how many records to mutate")
    parser.add_argument("--seed", type=int, default=1, help="the first lake's; each has the next")
    parser.add_argument("--keep", type=Path, help="where to leave lakes that something is wrong in")
    asked = parser.parse_args()
    originals, total, wrong, lakes = seeds(), Counter[str](), 0, 0
    while total["inputs"] < asked.inputs:
        seed, begin = asked.seed + lakes, time.monotonic()
        faulthandler.dump_traceback_later(TIME_LIMIT, exit=True)
        size = min(INPUTS_OF_A_LAKE, asked.inputs - total["inputs"])
        folder = tempfile.mkdtemp(prefix="fuzz-")
        try:
            done = trial(Path(folder), originals, seed, size)
        except Exception:
            done = Trial(Counter(inputs=size), [f"a crash: {traceback.format_exc()}"])
        if not (done.wrong and asked.keep):
            shutil.rmtree(folder)
        faulthandler.cancel_dump_traceback_later()
        total.update(done.counts)
        lakes += 1
        took = time.monotonic() - begin
        click.echo(f"seed {seed}: {took:.1f} s, {dict(done.counts)}", err=True)
        for text in done.wrong:
            wrong += 1
            click.echo(f"WRONG seed {seed}: {text}", err=True)
    click.echo(json.dumps({**total, "lakes": lakes}))
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
