"""The notebooks: run whole, and what is kept in them is what they print."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

# Extras, so absent where only the package is tested; the pinned set-up has them.
nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("altair")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MACHINE = re.compile(r"""(?<![\w./:])/(?:home|root|Users|tmp|private|var|usr|opt|mnt)/|[A-Z]:\\""")


def printed(notebook: Any) -> list[tuple[str, list[str]]]:
    """The source of each code cell, and the text of its outputs."""
    return [
        (cell.source, [o.get("text") or o.data["text/plain"] for o in cell.outputs])
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_and_prints_what_is_kept(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every cell runs, and prints what is kept below it (else: jupyter execute --inplace)."""
    shutil.copytree(ROOT / "data" / "samples", tmp_path / "data" / "samples")
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    kept = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    where = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(fresh, timeout=120, kernel_name="python3", resources=where).execute()
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


def test_there_are_notebooks() -> None:
    """There is a notebook to run: an empty list would prove nothing."""
    assert [path.stem for path in NOTEBOOKS][:1] == ["01_first_look"]
