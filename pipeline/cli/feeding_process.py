"""The process that ingests beside `tunelog archive`.

``python -m pipeline.cli.feeding_process LAKE`` reads a JSON list of files a line, takes them in,
and prints what became of them, until its standard input is closed.
"""

from __future__ import annotations

import json
import sys

from pipeline import open_lake


def main(lake_dir: str) -> None:
    """Serve a lake."""
    with open_lake(lake_dir) as lake:
        for line in sys.stdin:
            found = lake.ingest(json.loads(line))
            told = {
                "events": sum(source.events for source in found.sources),
                "rejects": found.reject_count,
                "refused": found.refused[0].problem if found.refused else None,
            }
            sys.stdout.write(f"{json.dumps(told)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
