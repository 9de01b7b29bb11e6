"""The tree keeps its shape: imports run one way, modules stay small, the wheel ships its SQL."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mutant_table import MUTANTS

ROOT = Path(__file__).parents[1]
LAYERS = (
    {
        "contract",
        "credentials",
        "durable",
        "errors",
        "figures",
        "idle",
        "inert",
        "interrupts",
        "sizes",
        "sqlfiles",
        "telling",
        "zstd",
    },
    {"extras", "measured", "query_errors", "settings", "shapes", "thinning", "view_files"},
    {"companions", "leaves"},
    {"exact"},
    {"forms", "sources"},
    {"glimpses", "job_lines", "marks"},
    {"creations", "dialects"},
    {"continued", "endings", "pages"},
    {"attribution", "normalise"},
    {"views"},
    {"charts"},
    {"lake"},
    {"query", "query_child", "synth", "view_reference"},
    {"checks"},
    {"report"},
    {"archive"},
    {"cli"},
)
"""Parts of the package, each layer knowing those before it only."""
PAGE = "pipeline/report/page/"
"""What the page of a report is made of: files that no Python imports."""
MODULES = sorted((ROOT / "pipeline").rglob("*.py"))
NAMES = {part: number for number, layer in enumerate(LAYERS) for part in layer}


def part_of(path: Path) -> str:
    """The part of the package a module belongs to."""
    first = path.relative_to(ROOT / "pipeline").parts[0]
    return first.removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """The parts of the package that a module imports when it runs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        names = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipeline"):
            assert node.module
            names = (
                [f"pipeline.{alias.name}" for alias in node.names]
                if node.module == "pipeline"
                else [node.module]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("pipeline")]
        for name in names:
            if name != "pipeline":
                yield name.split(".")[1]


def test_every_part_has_its_layer() -> None:
    """No part of the package is without a layer, and no layer names a part that is gone."""
    parts = {part_of(path) for path in MODULES} - {"__init__"}
    assert parts == NAMES.keys()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    """A module imports its own part and parts of earlier layers, nothing beside or above."""
    part = part_of(path)
    if part == "__init__":
        return
    wrong = [
        name
        for name in imported(path)
        if name != part and name in NAMES and NAMES[name] >= NAMES[part]
    ]
    assert wrong == []


def test_modules_stay_small_and_named() -> None:
    """Modules have about 300 lines at most, those of tests 500, and names that say something."""
    assert not {path.stem for path in MODULES} & {"utils", "helpers", "core", "common", "misc"}
    long = {
        str(p.relative_to(ROOT)): n
        for most, paths in ((330, MODULES), (500, (ROOT / "tests").rglob("*.py")))
        for p in paths
        if (n := len(p.read_text().split("\n"))) > most
    }
    assert long == {}


def test_the_map_has_every_module() -> None:
    """`docs/architecture.md` names each module, and none that is gone, or its folder as a whole."""
    named: set[str] = set()
    for line in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").splitlines():
        folder = ""
        for name in re.findall(r"`([^`]+)`", line.split("|")[1] if line.startswith("| `") else ""):
            if not name.startswith("sql/"):
                named.add(name if "/" in name else folder + name)
                if not name.endswith("/"):
                    folder = name[: name.rfind("/") + 1] or folder
    whole = tuple(name for name in named if name.endswith("/"))
    modules = {path.relative_to(ROOT / "pipeline").as_posix() for path in MODULES}
    lone = {name for name in modules if not name.startswith(whole)}
    assert named - {*whole} == {name for name in lone if not name.endswith("__init__.py")}


def test_sql_stays_in_files() -> None:
    """No text in a module holds SQL of more than one line."""
    wrong = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and "\n" in text and "\nfrom " in text.lower():
                wrong.append((path.name, node.lineno))
    assert wrong == []


def test_the_wheel_ships_the_tracked_sql_and_the_report_page(tmp_path: Path) -> None:
    """A wheel built from the checkout holds exactly the tracked SQL and page, word for word."""
    listed = subprocess.run(
        ["git", "ls-files", "sql", PAGE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode or not listed.stdout:
        pytest.skip("no git checkout")
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        shipped = {
            name if name.startswith(PAGE) else name.removeprefix("pipeline/"): archive.read(name)
            for name in archive.namelist()
            if name.startswith(("pipeline/sql/", PAGE))
        }
        modules = {name for name in archive.namelist() if name.endswith(".py")}
    tracked = [name for name in listed.stdout.split() if (ROOT / name).exists()]
    assert shipped == {name: (ROOT / name).read_bytes() for name in tracked}
    assert modules == {str(path.relative_to(ROOT)) for path in MODULES}


def test_faults_find_their_place() -> None:
    """What each deliberate fault replaces stands once in its file."""
    lost = [m.fault for m in MUTANTS if (ROOT / m.file).read_text("utf-8").count(m.old) != 1]
    assert lost == []
