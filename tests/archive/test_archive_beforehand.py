"""What can be refused is refused before the first request."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from keeping import small
from server import KEY, Api, serving

from pipeline import open_lake
from pipeline.cli import run
from pipeline.cli.report import check_report
from pipeline.cli.watch import LEAST_SECONDS
from pipeline.errors import ExitCode, UsageError


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


@pytest.mark.parametrize("command", [BASE, ["watch", "--lake", "l", "--every", "1"]])
def test_a_lake_that_nobody_may_write_is_told_first(
    api: Api,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    """A lake that is there, and may only be read, is no place for what is fetched."""

    def refuse(path: Path, *mode: int) -> None:
        if "l/tmp/" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        mkdir(path, *mode)

    with open_lake("l") as lake:
        lake.make()
    mkdir = os.mkdir
    monkeypatch.setattr(os, "mkdir", refuse)
    assert run(command) == ExitCode.ENVIRONMENT
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("the lake cannot be written (Permission denied): make it writable")
    assert not api.asked


@pytest.mark.parametrize("command", ["archive", "watch"])
@pytest.mark.parametrize("lake", ["a", "up/../a", "link", "a/lake", "a/raw/lake"])
def test_a_lake_in_the_archive_is_told_first(
    api: Api, capsys: pytest.CaptureFixture[str], command: str, lake: str
) -> None:
    """By whatever name: neither is made, so the next command finds the folder as it was."""
    Path("a").mkdir()
    Path("link").symlink_to("a")
    assert run([command, "--out", "a", "--lake", lake]) == ExitCode.USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert f"the lake {lake} would lie in the archive a: give each a folder of its own" in line
    assert not api.asked and not list(Path("a").iterdir())


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


@pytest.mark.parametrize("command", [BASE, ["watch", "--lake", "l"]])
def test_without_its_client_a_command_says_what_to_install(
    api: Api,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    """Whichever command asks, one line names what is missing, and no other command."""
    monkeypatch.setitem(sys.modules, "openai", None)
    assert run(command) == ExitCode.ENVIRONMENT
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "openai: the API's client is not installed: pip install 'tunelog[archive]'"


def test_settings_that_no_report_can_go_by_are_told_first(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    """A `tunelog.toml` with a mistake is told before anything is asked."""
    Path("tunelog.toml").write_text("[check\n")
    assert run([*BASE, "--report", "r.html"]) == ExitCode.USAGE
    assert "tunelog.toml: no TOML" in capsys.readouterr().err and not api.asked


def test_no_archive_lies_below_a_file(api: Api, capfd: pytest.CaptureFixture[str]) -> None:
    """Where a file lies in the way of --out, a folder is asked for."""
    Path("file").touch()
    assert run(["archive", "--out", "file/archive"]) == ExitCode.ENVIRONMENT
    assert capfd.readouterr().err.endswith(": name a folder\n") and not api.asked


def test_a_file_may_lie_in_a_folder_that_is_made(api: Api) -> None:
    """In the archive's; in the lake's, beside its parts."""
    assert run(["archive", "--out", "a", "--output", "a/jobs.csv"]) == ExitCode.OK
    assert Path("a/jobs.csv").stat().st_size
    check_report("l/r.html", [Path("l")])
    with pytest.raises(UsageError, match="no folder l"):
        check_report("l/r.html", [Path("a")])


LIKE = "is no address: write it as https://"
ADDRESSES = {
    "no scheme": ("OPENAI_BASE_URL", "127.0.0.1:9/v1", f"'127.0.0.1:9/v1' {LIKE}"),
    "a password without scheme": ("OPENAI_BASE_URL", "me:hunter22@host/v1", f"'host/v1' {LIKE}"),
    "another scheme": ("OPENAI_BASE_URL", "ftp://me:hunter22@host", f"'ftp://host' {LIKE}"),
    "a secret parameter": ("OPENAI_BASE_URL", "host/v1?key=hunter22", f"'host/v1' {LIKE}"),
    "no host": ("OPENAI_BASE_URL", "https:///v1", f"'https:///v1' {LIKE}"),
    "half a host": ("OPENAI_BASE_URL", "https://[::1/v1", LIKE),
    "a port that is none": ("OPENAI_BASE_URL", "https://host:99999/v1", LIKE),
    "a space": ("OPENAI_BASE_URL", "https://host name/v1", LIKE),
    "nothing": ("OPENAI_BASE_URL", "", "OPENAI_BASE_URL: is empty"),
    "Azure": ("AZURE_OPENAI_ENDPOINT", "name.openai.azure.com", f"'name.openai.azure.com' {LIKE}"),
}


@pytest.mark.parametrize("what", ADDRESSES)
@pytest.mark.parametrize("command", [["archive", "--out", "a"], ["watch"]])
def test_an_address_that_is_none_is_told_at_once(
    api: Api, capsys: pytest.CaptureFixture[str], what: str, command: list[str]
) -> None:
    """In one line with its name and value, less what is secret in it, and how it should look."""
    name, value, says = ADDRESSES[what]
    key = {"OPENAI_API_KEY": "", "AZURE_OPENAI_API_KEY": KEY, "OPENAI_API_VERSION": "v"}
    with mock.patch.dict(os.environ, {name: value} | (key if what == "Azure" else {})):
        assert run(command) == ExitCode.USAGE
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"{name}: ") and says in line and "hunter22" not in line
        if what == "Azure":
            assert run([*command, "--azure-endpoint", "//host"]) == ExitCode.USAGE
            assert "--azure-endpoint: '//host' is no address" in capsys.readouterr().err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("command", [["archive", "--out", "a"], ["watch"]])
def test_a_version_that_azure_needs_is_told_at_once(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    """By the name of the variable and of the option, as a key is, not in the client's words."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_API_VERSION", raising=False)
    assert run([*command, "--azure-endpoint", "https://host"]) == ExitCode.USAGE
    told = "OPENAI_API_VERSION: is not set: export it, or give --api-version\n"
    assert capsys.readouterr().err == told and list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--job", ""], "--job without an id"),
        (["--job", "x", "--job", ""], "--job without an id"),
        *((["--every", span], "give 1s or more") for span in ("0", "0.0001s", "0.9", "0.01m")),
    ],
)
def test_what_watch_cannot_follow_is_told_first(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    args: list[str],
    says: str,
) -> None:
    """A job without an id, as by `archive`, and looks that follow one another too soon."""
    monkeypatch.setattr("pipeline.cli.watch.LEAST_SECONDS", LEAST_SECONDS)
    api.jobs.clear()
    assert run(["watch", *args]) == ExitCode.USAGE
    assert says in capsys.readouterr().err
    assert not api.asked and list(Path().iterdir()) == []


@pytest.mark.parametrize("command", [["archive", "--out", "a"], ["watch"]])
def test_of_two_accounts_one_must_be_named(
    api: Api, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """With a key of OpenAI and a resource of Azure in the environment neither is asked."""
    api.jobs.clear()
    with serving(Api(azure=True)) as azure:
        names = {"AZURE_OPENAI_API_KEY": KEY, "OPENAI_API_VERSION": "v"}
        with mock.patch.dict(os.environ, names, AZURE_OPENAI_ENDPOINT=azure.url):
            assert run(command) == ExitCode.USAGE
            (line,) = capsys.readouterr().err.splitlines()
            assert line.startswith("OPENAI_API_KEY and AZURE_OPENAI_ENDPOINT: both are set: ")
            assert not api.asked and not azure.asked and list(Path().iterdir()) == []
            assert run([*command, "--azure-endpoint", azure.url]) == ExitCode.OK
            assert azure.asked and not api.asked
            os.environ["AZURE_OPENAI_ENDPOINT"] = ""
            assert run([*command, "--job", "no"]) == ExitCode.DATA and api.asked


@pytest.mark.parametrize("name", ["ALL_PROXY", "http_proxy"])
@pytest.mark.parametrize("scheme", ["socks5", "htp"])
def test_a_proxy_that_cannot_be_used_is_told_at_once(
    api: Api, capsys: pytest.CaptureFixture[str], name: str, scheme: str
) -> None:
    """In one line with its name and value, without the password."""
    with mock.patch.dict(os.environ, {name: f"{scheme}://me:hunter22@127.0.0.1:9"}):
        assert run(["archive", "--out", "a"]) == ExitCode.USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{name}={scheme}://127.0.0.1:9: ") and line.endswith("or unset it")
    assert "hunter22" not in line


@pytest.mark.parametrize("closed", [[1], [0, 1, 2]])
def test_closed_streams_are_no_failure(api: Api, closed: list[int]) -> None:
    """Who closes standard streams loses what would have been printed there, and nothing else."""
    close = " ".join(f"{number}>&-" if number else "<&-" for number in closed)
    command = f"{shlex.quote(sys.executable)} -m pipeline.cli archive --out a --job no {close}"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True)
    assert ended.returncode == ExitCode.DATA and not ended.stdout
    told = "see its problem, and run the same command again; the rest is there\n"
    assert ended.stderr == ("" if 2 in closed else f"a: something is missing: {told}")
