"""What the help says: it comes at once, its page is current, its examples run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from inspect import cleandoc
from pathlib import Path

import click
import pytest
from running import ROOT, Run
from small_jobs import JOB, OTHER, dump, events

from pipeline import open_lake
from pipeline.cli import COMMANDS, cli
from pipeline.cli.reference import page
from pipeline.errors import ExitCode

HEAVY = ("duckdb", "polars", "pyarrow", "numpy", "rich", "openai", "httpx2", "pydantic")
TRIED_ELSEWHERE = ("ingest", "archive", "watch")
"""Commands whose examples need files or a server: test_readme.py, archive/test_archive_cli.py."""


def commands() -> dict[str, click.Command]:
    """Every command by its name."""
    with click.Context(cli, info_name="tunelog", **cli.context_settings) as ctx:
        found = {name: cli.get_command(ctx, name) for name in COMMANDS}
    return {name: command for name, command in found.items() if command}


def examples(command: click.Command) -> list[list[str]]:
    """The `tunelog ...` calls in a command's help, as arguments."""
    calls = re.findall(r"(?:^|\| )\s*tunelog (.+)$", command.help or "", re.MULTILINE)
    return [shlex.split(call.partition(" > ")[0]) for call in calls]


def test_help_imports_nothing_heavy() -> None:
    """`tunelog --help` imports neither an engine nor a renderer."""
    code = "import sys, pipeline.cli as c; c.run(['--help']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = done.stdout.splitlines()[-1].split()
    assert not set(HEAVY) & set(loaded)


def test_help_prints_the_exit_codes(tunelog: Run) -> None:
    """`tunelog --help` names every exit code and every command."""
    text = tunelog("--help").stdout
    for code in ExitCode:
        assert re.search(rf"^ +{code.value}  \w+", text, re.MULTILINE)
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", text, re.MULTILINE)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_examples_that_parse(name: str) -> None:
    """Every command's help holds an example, and its arguments are ones the command takes."""
    command = commands()[name]
    calls = [call for call in examples(command) if call[0] == name]
    assert calls, f"{name} has no example"
    for call in calls:
        with click.Context(command, info_name=name, **cli.context_settings) as ctx:
            command.make_parser(ctx).parse_args(call[1:])


def test_the_page_is_current() -> None:
    """`docs/cli.md` is what the help texts say."""
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == page(), "run: python -m pipeline.cli.reference > docs/cli.md"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in TRIED_ELSEWHERE])
def test_examples_run(name: str, tunelog: Run, tmp_path: Path) -> None:
    """The examples of a command's help run as they stand."""
    dump(tmp_path / "dumps" / "page-3.json", events(JOB)[1:])
    two = name in ("curve", "show")
    dump(tmp_path / "events.jsonl", events(JOB), *[events(OTHER)] * two)
    (tmp_path / "question.sql").write_text("from jobs")
    for folder in ("lake", "team-lake"):
        with open_lake(tmp_path / folder) as lake:
            lake.ingest([tmp_path / ("dumps" if name == "assign" else "events.jsonl")])
    text = cleandoc(commands()[name].help or "")
    lines = re.findall(r"^  (?=\S)(.*tunelog .+)$", text, re.MULTILINE)
    assert lines
    shim = f'tunelog() {{ "{sys.executable}" -m pipeline.cli "$@"; }}'
    for line in lines:
        words = shlex.split(line)
        if not {"|", "<", ">"} & set(words) and "\\" not in line:
            tunelog(*words[1:])
            continue
        done = subprocess.run(
            ["bash", "-c", f"set -eo pipefail\n{shim}\n{line}"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (line, done.stderr)
