"""How tests run `tunelog`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from zygote import Ended

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "data" / "samples"
Run = Callable[..., Ended]


def environment(**more: str) -> dict[str, str]:
    """The environment of a `tunelog` process."""
    kept = {k: v for k, v in os.environ.items() if k not in ("TUNELOG_LAKE", "COLUMNS")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def start(args: Sequence[str], cwd: Path, **env: str) -> subprocess.Popen[str]:
    """A `tunelog` process in a folder, with a pipe at each end."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", *args],
        cwd=cwd,
        env=environment(**env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
