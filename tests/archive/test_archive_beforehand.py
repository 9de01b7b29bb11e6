"""What can be refused is refused before the first request."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from keeping import small
from server import KEY, Api, serving

from pipeline.cli import run
from pipeline.errors import ExitCode


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """The small account, in the environment of this process; it runs in an empty folder."""
    monkeypatch.chdir(tmp_path)
    names = {"OPENAI_API_KEY": KEY}
    with serving(small()) as api, mock.patch.dict(os.environ, names, OPENAI_BASE_URL=api.url):
        yield api


BASE = ["archive", "--out", "a", "--lake", "l"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--report", "none/r.html"], "--report none/r.html: no folder none: make it"),
        (["--report", "."], "--report .: is a folder"),
        (["--report", "r.pdf"], "r.pdf: call it .html or .md"),
        (["--output", "none/x.csv"], "--output none/x.csv: no folder none: make it"),
        (["--output", f"{'x' * 300}.csv"], "File name too long"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_first(
    api: Api, capsys: pytest.CaptureFixture[str], args: list[str], says: str
) -> None:
    """In one line, by the name of its option; nothing was asked for, and nothing is left."""
    assert run([*BASE, *args]) in (ExitCode.USAGE, ExitCode.ENVIRONMENT)
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line and args[1] in line
    assert not api.asked and list(Path().iterdir()) == []


def test_a_folder_that_nobody_may_write_is_told_first(
    api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder without permission, or on a full disk, by the name of the option."""

    def refuse(*args: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied", "/tmp/xyz")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    assert run([*BASE, "--report", "r.html"]) == ExitCode.ENVIRONMENT
    assert capsys.readouterr().err == (
        "--report r.html: Permission denied: mend that, or name another file\n"
    )
    assert not api.asked


@pytest.mark.parametrize("module", ["altair", "vl_convert"])
def test_a_report_without_its_extra_is_told_first(
    api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """What a page needs and is not installed is said before an hour of fetching."""
    monkeypatch.setitem(sys.modules, module, None)
    assert run([*BASE, "--report", "r.html"]) == ExitCode.ENVIRONMENT
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"--report r.html: {module} is not installed: pip install 'tunelog[report]'"
    assert not api.asked and list(Path().iterdir()) == []


def test_settings_that_no_report_can_go_by_are_told_first(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    """A `tunelog.toml` with a mistake is told before anything is asked."""
    Path("tunelog.toml").write_text("[check\n")
    assert run([*BASE, "--report", "r.html"]) == ExitCode.USAGE
    assert "tunelog.toml: no TOML" in capsys.readouterr().err and not api.asked


def test_a_report_may_lie_in_a_folder_that_is_made(api: Api) -> None:
    """In the lake's, beside its parts; in the archive's."""
    assert run([*BASE, "--report", "l/r.md", "--output", "a/jobs.csv"]) == ExitCode.OK
    assert Path("l/r.md").stat().st_size and Path("a/jobs.csv").stat().st_size
