"""The process that ingests beside `tunelog archive`.

``python -m pipeline.cli.feeding_process LAKE`` reads a JSON list of files a line, takes them in,
and prints what became of them, until its standard input is closed.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from pipeline import open_lake
from pipeline.cli.feeding import Fed
from pipeline.cli.options import waiting_note


def main(lake_dir: str) -> int:
    """Serve a lake; what ends it before its time is met again, and told, by who started it."""
    try:
        with open_lake(lake_dir) as lake:
            for line in sys.stdin:
                found = lake.ingest(json.loads(line), waiting=waiting_note(lake_dir))
                sys.stdout.write(f"{json.dumps(asdict(Fed.of(found)))}\n")
                sys.stdout.flush()
    except Exception:  # who started it ingests the rest itself, meets it again, and tells it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
