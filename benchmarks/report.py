"""The figures as a table, and as a page that says on what machine they were taken."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

HEAD = ("measured", "result", "goal", "met")
PEERS = ("duckdb", "polars", "pyarrow")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows under `HEAD` as a Markdown table."""
    lines = [HEAD, ["---"] * len(HEAD), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def page(rows: Sequence[Sequence[str]], arguments: Sequence[str], rounds: int) -> str:
    """The text of `docs/benchmarks.md`."""
    template = (Path(__file__).parent / "page.md").read_text(encoding="utf-8")
    values = {
        "command": " ".join(("python -m benchmarks.run", *arguments)),
        "day": f"{datetime.now(UTC):%Y-%m-%d}",
        "rounds": str(rounds),
        "machine": machine(),
        "table": table(rows),
    }
    for name, value in values.items():
        template = template.replace("{" + name + "}", value)
    return template


def machine() -> str:
    """Processor, cores, memory and versions: nothing that tells whose machine it is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = [
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB of memory",
        f"{platform.system()}, Python {platform.python_version()}",
        ", ".join(f"{name} {version(name)}" for name in PEERS),
    ]
    return "; ".join(parts)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(": ")[2]
    except OSError:
        pass
    return platform.processor() or platform.machine()
