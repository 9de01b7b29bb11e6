"""Sources that were staged and are not to be committed after all."""

from __future__ import annotations

from pathlib import Path

from pipeline.lake import settle
from pipeline.lake.intake import Taken
from pipeline.lake.segments import Staged


def without_sources(folder: Path, taken: Taken, dropped: set[str]) -> Taken:
    """What was staged, less some sources."""
    con = settle.engine(folder)
    listed = ", ".join(f"'{source}'" for source in sorted(dropped))

    def kept(files: list[Staged]) -> list[Staged]:
        left = []
        for old in files:
            con.read_parquet(str(old.path)).create_view("one_file", replace=True)
            query = f"from one_file where source_id not in ({listed})"
            staged = settle.rewrite(con, folder, old.kind, query)
            if staged:
                left.append(staged)
        return left

    return Taken(
        kept(taken.events), kept(taken.pending), kept(taken.rejects), kept(taken.companions)
    )
