"""The README as a newcomer follows it: its commands run, and print what it says they print."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.cli import COMMANDS
from pipeline.views import catalogue

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(match[1], match[2]) for match in FENCED.finditer(README)]
MARK = "-- next command --"


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])
def test_commands_are_called_by_their_names(page: Path) -> None:
    """What a page calls a command of tunelog is one."""
    called = re.findall(r"`tunelog ([a-z]+)", page.read_text(encoding="utf-8"))
    assert set(called) <= {*COMMANDS}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a fresh clone, in which `make demo` finds the set-up done."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "data", folder / "data")
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / "bin").mkdir()
    tunelog = folder / "bin" / "tunelog"
    tunelog.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pipeline.cli "$@"\n')
    tunelog.chmod(0o755)
    (folder / "set-up").touch()
    return folder


def environment(folder: Path) -> dict[str, str]:
    """The environment of a newcomer whose `tunelog` is this one."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TUNELOG", "MAKE"))}
    scripts = [str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    return kept | {
        "PATH": os.pathsep.join(scripts),
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
        "COLUMNS": "100",
        "MAKEFLAGS": f"BIN={folder}/bin STAMP={folder}/set-up",
    }


@pytest.fixture(scope="module")
def transcript(clone: Path) -> list[tuple[str, str, int]]:
    """Every command of the README, what it printed on standard output, its exit code.

    One shell runs all of it in order, the Python snippets in between.
    """
    commands, script = [], []
    for number, (kind, text) in enumerate(BLOCKS):
        if kind == "python":
            (clone / f"snippet-{number}.py").write_text(text, encoding="utf-8")
            script.append(f'"{sys.executable}" snippet-{number}.py || exit 70')
        for command, _ in dialogue(text) if kind == "console" else ():
            commands.append(command)
            script += [command, f"printf '%s\\n' '{MARK}' $?"]
    ran = subprocess.run(
        ["sh", "-c", "\n".join(script)],
        cwd=clone,
        env=environment(clone),
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    pieces = re.split(rf"^{MARK}\n(\d+)\n", ran.stdout, flags=re.MULTILINE)
    return list(zip(commands, pieces[0:-1:2], map(int, pieces[1::2]), strict=True))


def dialogue(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with what is printed below it."""
    found = [match.start() for match in re.finditer(r"^\$ ", text, re.MULTILINE)]
    parts = [text[low:high] for low, high in pairwise([*found, len(text)])]
    return [(part[2:].partition("\n")[0], part.partition("\n")[2]) for part in parts]


def pattern(shown: str) -> str:
    """A shown output as an expression: `…` is any lines, spaces are any spaces."""
    lines = shown.splitlines(keepends=True)
    return "".join(
        r"(?:.*\n)*" if line == "…\n" else r"[ ]+".join(map(re.escape, re.split(" +", line)))
        for line in lines
    )


def test_commands_print_what_is_shown(transcript: list[tuple[str, str, int]]) -> None:
    """Each command of the README prints the output shown below it."""
    shown = [pair for kind, text in BLOCKS if kind == "console" for pair in dialogue(text)]
    assert len(shown) >= 6
    for (command, wanted), (_, printed, _) in zip(shown, transcript, strict=True):
        assert re.fullmatch(pattern(wanted), printed), (command, printed)


def test_commands_end_as_described(transcript: list[tuple[str, str, int]]) -> None:
    """Every command ends well, but the ingest of broken records, which ends with 1."""
    for command, _, code in transcript:
        assert code == ("ingest data/broken" in command), command


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "archive.md"])
def test_what_is_installed_is_enough(page: Path) -> None:
    """A block that installs tunelog names the extras of all that it calls."""
    blocks = [match[2] for match in FENCED.finditer(page.read_text(encoding="utf-8"))]
    for block in blocks:
        if named := re.search(r"pip install '[\w.]+\[(.*?)\]'", block):
            extras = set(named[1].split(","))
            wanted = {name for name in ("archive", "report") if re.search(rf"[ -]{name}\b", block)}
            assert wanted <= extras, block


def test_views_are_those_listed() -> None:
    """The README's table names every view that is made to be asked, and no other."""
    table = README.partition("| view | answers |")[2].partition("\n\n")[0]
    first_cells = [row.split("|")[1] for row in table.splitlines() if row]
    named = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    assert named == {view.name for view in catalogue() if view.layer == "marts"}


def test_targets_exist() -> None:
    """Every `make` target that the README names is in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^(\w+):", makefile, re.MULTILINE))
    assert set(re.findall(r"make (\w+)[`\n]", README)) <= targets


@pytest.mark.parametrize(
    "page",
    sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]),
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of the README and the docs leads to a file or folder of the project."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
