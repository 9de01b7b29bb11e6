"""The notebooks: run whole, and what is kept in them is what they print."""

from __future__ import annotations

import base64
import os
import re
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.charts.pictures import SPEC, smaller

# Extras, so absent where only the package is tested; the pinned set-up has them.
nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
jupyter_client = pytest.importorskip("jupyter_client")
pytest.importorskip("altair")
pytest.importorskip("vl_convert")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MACHINE = re.compile(r"""(?<![\w./:])/(?:home|root|Users|tmp|private|var|usr|opt|mnt)/|[A-Z]:\\""")


FORGET = "%reset -f\n__import__('polars').Config.restore_defaults();"
"""What a kernel runs to know nothing of the notebook before."""


def content(output: Any) -> Any:
    """What an output says: its text, or what a chart draws, data and all.

    Pictures are not compared: their bytes change with fonts and compressors.
    """
    if "text" in output:
        return output.text
    return rounded(output.data.get(SPEC)) or output.data["text/plain"]


def rounded(value: Any) -> Any:
    """A chart with 9 digits of each number: sums differ in the last by the order of threads."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def printed(notebook: Any) -> list[tuple[str, list[Any]]]:
    """The source of each code cell, and what its outputs say."""
    return [
        (cell.source, [content(output) for output in cell.outputs])
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def pictures(notebook: Any) -> list[bytes]:
    """The pictures of the charts that are kept in a notebook."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    charts = [output.data for output in outputs if SPEC in output.get("data", ())]
    return [base64.b64decode(data["image/png"]) for data in charts]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A kernel in a folder beside the samples, with its imports done: one for all notebooks."""
    place = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "data" / "samples", place / "data" / "samples")
    (place / "notebooks").mkdir()
    kernel = jupyter_client.KernelManager(kernel_name="python3")
    paths = {"PYTHONPATH": str(ROOT), "IPYTHONDIR": str(place / "ipython")}
    kernel.start_kernel(cwd=str(place / "notebooks"), env=os.environ | paths)
    yield kernel
    kernel.shutdown_kernel(now=True)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_and_prints_what_is_kept(path: Path, kernel: Any) -> None:
    """Every cell runs, and prints what is kept below it (else: jupyter execute --inplace)."""
    kept = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    fresh.cells.insert(0, nbformat.v4.new_code_cell(FORGET))
    nbclient.NotebookClient(fresh, timeout=120, km=kernel).execute()
    assert fresh.cells.pop(0).outputs == []
    assert printed(fresh) == printed(kept)
    assert any(outputs for _, outputs in printed(kept))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_kept_outputs_name_no_machine(path: Path) -> None:
    """No path of the machine that a notebook was run on is kept in it."""
    text = path.read_text(encoding="utf-8")
    assert str(ROOT) not in text
    found = MACHINE.search(text)
    assert found is None, found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_words_stand_between_cells(path: Path) -> None:
    """A notebook begins with words, and no more than two cells of code follow one another."""
    kinds = [cell.cell_type for cell in nbformat.read(path, as_version=4).cells]
    assert kinds[0] == "markdown"
    assert "code code code" not in " ".join(kinds)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_charts_can_be_seen_where_nothing_runs(path: Path) -> None:
    """Every chart is kept with a picture that has pixels in it, and the file stays small."""
    kept = pictures(nbformat.read(path, as_version=4))
    assert kept
    for picture in kept:
        assert picture.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", picture[16:24])
        assert width >= 400 and height >= 100 and len(picture) > width * height / 100
    assert path.stat().st_size < 1_000_000


def test_pictures_are_packed_without_loss() -> None:
    """The smaller picture has the pixels of the one it was made of."""
    rows = b"".join(b"\0" + bytes([shade % 256] * 300) for shade in range(200))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 300, 200, 8, 0, 0, 0, 0))
    packed = zlib.compress(rows, 0)
    png = head + chunk(b"IDAT", packed[:99]) + chunk(b"IDAT", packed[99:]) + chunk(b"IEND", b"")
    less = smaller(png)
    assert len(less) < len(png) / 10
    assert less == head + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def test_there_are_notebooks() -> None:
    """There are the notebooks to run: an empty list would prove nothing."""
    names = ["01_first_look", "02_compare_runs", "03_debug_a_failed_job", "04_reinforcement"]
    assert [path.stem for path in NOTEBOOKS] == names
