"""Draw `curve.svg`, the picture of the README: ``python docs/pictures/curve.py``.

What `tunelog curve ftjob-Z5uf` prints over the samples, in a terminal of 80 columns.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from pipeline import open_lake
from pipeline.charts.read import curves, whole_job_id
from pipeline.cli.picture import picture

HERE = Path(__file__).parent
JOB = "ftjob-Z5uf"


def drawn() -> str:
    """The picture."""
    with TemporaryDirectory() as folder, open_lake(Path(folder) / "lake") as lake:
        lake.ingest([HERE.parents[1] / "data" / "samples" / "openai-supervised.jsonl"])
        with lake.connect() as con:
            found = curves(con, [whole_job_id(con, JOB)])
    lines = picture(found, width=80, height=24, colour=True)
    console = Console(record=True, width=80, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ tunelog curve {JOB}", style="bold"))
    console.print(Text.from_ansi("\n".join(lines)))
    svg = console.export_svg(title="tunelog curve", theme=MONOKAI, unique_id="curve")
    # No font is fetched from anywhere: the reader's own monospaced one will do.
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code, monospace", "Menlo, Consolas, DejaVu Sans Mono, monospace")


if __name__ == "__main__":
    (HERE / "curve.svg").write_text(drawn(), encoding="utf-8")
