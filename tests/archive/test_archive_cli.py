"""The commands that call the API: what they print, and that no secret leaves them."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import click
import pytest
from keeping import VERSION, A, B, C, lines, small
from server import KEY, NOW, Api, an_event, serving

from pipeline import open_lake
from pipeline.archive.redaction import Redactor
from pipeline.cli import cli, run
from pipeline.errors import ExitCode

ROOT = Path(__file__).parents[2]


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """The small account, in the environment of this process; it runs in an empty folder."""
    monkeypatch.chdir(tmp_path)
    with serving(small()) as api, mock.patch.dict(os.environ, environment(api)):
        yield api


def environment(api: Api) -> dict[str, str]:
    """The settings that name a server."""
    if api.azure:
        names = {"AZURE_OPENAI_API_KEY": KEY, "OPENAI_API_VERSION": VERSION}
        return {**names, "AZURE_OPENAI_ENDPOINT": api.url}
    return {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": api.url}


def test_one_command_gives_archive_and_lake(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer's first call says what it brought; the next one that nothing is new."""
    assert run(["archive", "--out", "a", "--lake", "l"]) == ExitCode.OK
    told = capsys.readouterr()
    assert told.out.splitlines()[0] == "3 jobs (3 asked for, 0 complete already)"
    assert "18 new events" in told.out and "l: 18 new events" in told.err
    assert run(["archive", "verify", "a"]) == ExitCode.OK
    assert "3 jobs, 1 of them not ended, or only just, 18 events" in capsys.readouterr().err
    assert run(["archive", "--out", "a", "--lake", "l", "--format", "json"]) == ExitCode.OK
    told = capsys.readouterr()
    assert [row["job_id"] for row in json.loads(told.out)] == [B]
    assert "l: 0 new events" in told.err
    with open_lake("l") as lake:
        (row,) = lake.sql("from jobs where job_id = $job", job=C).to_dicts()
    assert row["status"] == "failed"  # as the job object says: it has no events


def test_progress_is_told_on_a_terminal(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs, events, their rate and the time left, on standard error, gone when it ends."""
    screen = io.StringIO()
    screen.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    assert run(["archive", "--out", "a"]) == ExitCode.OK
    told = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert re.search(r"3 of 3 jobs, 18 events, [\d,]+/s +0:\d\d:\d\d +left", told)
    assert screen.getvalue().rstrip().endswith("\x1b[2K")


def test_a_large_archive_is_ingested_while_it_is_fetched(
    api: Api, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process beside it, without the key, brings most of it into the lake; all is there once."""
    monkeypatch.setattr("pipeline.cli.feeding.AT_ONCE", 8)
    monkeypatch.setenv("OPENAI_LOG", "debug")
    environments, started = [], subprocess.Popen

    def watched(command: list[str], **how: Any) -> Any:
        environments.append(how["env"])
        return started(command, **how)

    monkeypatch.setattr("subprocess.Popen", watched)
    api.events[A] = [an_event(A, n, NOW - 90_000 + n) for n in range(90)]
    api.latency = 0.06
    assert run(["archive", "--out", "a", "--lake", "l", "--concurrency", "2"]) == ExitCode.OK
    assert "l: 98 new events" in capfd.readouterr().err
    assert environments and not any(KEY in str(environment) for environment in environments)
    with open_lake("l") as lake:
        assert lake.sql("select count(*) from events").item() == 98
        assert len(lake.sql("from history")) >= 2


@pytest.mark.parametrize("at_once", [1, 500])
def test_what_is_not_taken_in_is_told_as_what_it_is(
    api: Api, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """An empty result file is no failure; one that is none is, with its problem; of rejects it is
    said where they are. Beside the one that fetches or not, at once or again."""
    monkeypatch.setattr("pipeline.cli.feeding.AT_ONCE", at_once)
    about = api.files["file-aaa"][0]
    empty, blank = about | {"bytes": 0}, about | {"bytes": 2, "id": "file-b64"}
    api.files.update({"file-aaa": (empty, b""), "file-b64": (blank, b" \n")})
    for _ in range(2):
        assert run(["archive", "--out", "a", "--lake", "l"]) == ExitCode.OK
        assert "l: 2 result files without content passed over\n" in capfd.readouterr().err
    assert run(["ingest", "a/raw", "--lake", "plain", "--format", "csv"]) == ExitCode.OK
    assert capfd.readouterr().out.count(".zst,empty,") == 2
    api.add("ftjob-abcdef", [{**an_event(B, 1, NOW), "level": None}], files={"file-c": b"\x89PNG"})
    for _ in range(2):
        assert run(["archive", "--out", "a", "--lake", "l"]) == ExitCode.DATA
        *_, passed, refused, rejects = capfd.readouterr().err.splitlines()
        assert "2 result files without content" in passed and "rejects" not in refused
        assert re.match(r"l: 1 file refused: a/raw/ftjob-abcdef/.*: a PNG image: \w", refused)
        assert rejects.endswith("1 reject: see `tunelog rejects --lake l`")


def test_a_fault_is_a_row(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    """`archive verify` prints a row for each fault and ends with 1."""
    run(["archive", "--out", "a"])
    (path,) = [line["path"] for line in lines(Path("a")) if line.get("file") == "file-aaa"][:1]
    Path("a", path).unlink()
    capsys.readouterr()
    assert run(["archive", "verify", "a", "--format", "jsonl"]) == ExitCode.DATA
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (row["rule"], row["place"]) == ("bytes_are_as_fetched", path)


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["archive"], ExitCode.USAGE, "no --out DIR"),
        (["archive", "--out", "a", "--since", "yore"], ExitCode.USAGE, "'yore' is no date"),
        (
            ["archive", "--out", "a", "--since", "2025-01-01", "--job", A],
            ExitCode.USAGE,
            "leave one",
        ),
        (["archive", "--out", "a", "--report", "r.html"], ExitCode.USAGE, "without --lake"),
        (["archive", "verify", "none"], ExitCode.USAGE, "no archive here"),
        (["watch", "--every", "soon"], ExitCode.USAGE, "'soon' is no time span"),
        (["watch", "--job", "ftjob-none"], ExitCode.DATA, "no such job: check the id"),
        (["archive", "--out", "a", "--job", "ftjob-none"], ExitCode.DATA, "something is missing"),
        (["archive", "--out", __file__], ExitCode.USAGE, "is no folder: name one with --out"),
    ],
)
def test_errors_are_one_line(
    api: Api, capsys: pytest.CaptureFixture[str], args: list[str], code: int, says: str
) -> None:
    """What cannot be done is said in one line, with what to do."""
    assert run(args) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


@pytest.mark.parametrize(
    ("job", "asked", "status", "says"),
    [
        (A, "/files/", "403", "see that the key may read this"),
        (A, f"/jobs/{A}", "403", "see that the key may read this"),
        ("ftjob-none", "?", "404", "check the id"),
        ("", "/jobs?", "403", "see that the key may read this"),
        ("", "/jobs?", "400", "and the API version"),
    ],
)
def test_what_no_further_run_mends_is_told(
    api: Api, capsys: pytest.CaptureFixture[str], job: str, asked: str, status: str, says: str
) -> None:
    """A key without the right, a job that is not there, an API version: what to do about it."""
    api.before = lambda path: api.faults.extend([status] * (asked in path))
    only = ["--job", job] if job else []
    assert run(["archive", "--out", "a", "--retries", "0", "--format", "json", *only])
    assert says in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("OPENAI_API_KEY", "sk-some-other-key", "status 401"),
        ("OPENAI_API_KEY", f"{KEY}\n{KEY}", "OPENAI_API_KEY: holds"),
        ("OPENAI_API_KEY", "", "OPENAI_API_KEY: is not set"),
        ("OPENAI_BASE_URL", f"http://me:{KEY}@127.0.0.1:9/v1", "http://127.0.0.1:9/v1/"),
    ],
)
def test_a_bad_setting_is_told_without_its_value(
    api: Api, capsys: pytest.CaptureFixture[str], name: str, value: str, says: str
) -> None:
    """A wrong key, one that is no header, none, a URL with a password: no word of them."""
    with mock.patch.dict(os.environ, {name: value}):
        assert run(["archive", "--out", "a", "--retries", "0"]) in (ExitCode.USAGE, ExitCode.DATA)
    told = capsys.readouterr()
    assert says in told.err and len(told.err.splitlines()) == 1
    assert KEY not in told.err + told.out and "some-other" not in told.err


def test_no_spelling_of_a_secret_passes() -> None:
    """Whole, escaped as Python, JSON and URLs escape, or a word of it: all is removed."""
    secret = "sk-\u00e9/7 + two\n words-of-it"
    redactor = Redactor([secret, "", "abc"])
    for text in (secret, repr(secret), json.dumps(secret), quote(secret), "words-of-it"):
        assert "words" not in redactor.text(text) and "sk-" not in redactor.text(text)
    assert redactor.text("abcdef") == "abcdef"


@pytest.mark.parametrize(
    ("member", "secret"),
    [
        (b'"api_key": "x\\"y"', True),
        (b'"wandb_api_key":"x"', True),
        (b'"WANDB-API-KEY" : "x"', True),
        (b'"access_token":"x"', True),
        (b'"client_secret":"x"', True),
        (b'"password":"x"', True),
        (b'"key":"x"', True),
        (b'"aws_secret_access_key":"x"', True),
        (b'"AccountKey":"x"', True),
        (b'"WANDB_KEY":"x"', True),
        (b'"passphrase":"x"', True),
        (b'"connectionString":"x"', True),
        (b'"bearer":"x"', True),
        (b'"api_keys":"x"', True),
        (b'"api_key":["x","y"]', True),
        (b'"api_key":{"value":"x"}', True),
        (b'"api\\u005fkey":"x"', True),
        (b'"secret":17', True),
        (b'"secrets":"x"', True),
        (b'"secrets":{"a":"x"}', True),
        (b'"tokens":"x"', True),
        (b'"passwords":["x"]', True),
        (b'"client_secret_value":"x"', True),
        (b'"private_key_pem":"x"', True),
        (b'"sshPrivateKey":"x"', True),
        (b'"cookie":"x"', True),
        (b'"Set-Cookie":"x"', True),
        (b'"hf_token_v2":"x"', True),
        (b'"creds":"x"', True),
        (b'"auth_header":"x"', True),
        (b'"webhook_url":"https://x"', True),
        (b'"aws_access_key_id":"x"', True),
        (b'"monkey":"x"', False),
        (b'"key_values":"x"', False),
        (b'"tokens":12', False),
        (b'"tokens":{"prompt":[1,2.5]}', False),
        (b'"total_tokens":"1,234"', False),
        (b'"n_tokens":"auto"', False),
        (b'"max_tokens":null', False),
        (b'"eos_token":"</s>"', False),
        (b'"stop_tokens":["a"]', False),
        (b'"reasoning_tokens_mean":"high"', False),
        (b'"token_type":"x"', False),
        (b'"author":"x"', False),
        (b'"use_token":true', False),
        (b'"trained_tokens":12', False),
        (b'"api_key":null', False),
        (b'"token_count":"12"', False),
        (b'"name":"api_key"', False),
        (b'"message":"\\"api_key\\": \\"x\\""', False),
    ],
)
def test_credentials_in_job_objects_are_removed(member: bytes, secret: bool) -> None:
    """A text under the name of a credential goes; the body stays JSON; nothing else changes."""
    body = b'{"id": "a", ' + member + b', "z": 1}'
    kept, removed = Redactor().body(body, of_jobs=True)
    assert removed == secret and (kept == body) != secret
    found = json.loads(kept)
    assert found["id"] == "a" and found["z"] == 1 and ("[removed]" in found.values()) == secret
    assert Redactor().body(body, of_jobs=False) == (body, 0)


def test_a_failure_that_nobody_foresaw_is_told_without_the_key(
    api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback, with the errors that led to it, holds no key."""

    def fail(*args: object, **named: object) -> None:
        try:
            raise KeyError(f"Bearer {KEY}")
        except KeyError as error:
            raise RuntimeError(f"bad header {KEY}") from error

    monkeypatch.setattr("pipeline.archive.run.Run.archive", fail)
    assert run(["archive", "--out", "a"]) == ExitCode.ENVIRONMENT
    told = capsys.readouterr().err
    assert "RuntimeError: bad header [removed]" in told and KEY not in told


def test_the_key_is_nowhere(tmp_path: Path) -> None:
    """Not in a file, the output, the client's own log at its loudest, nor the process list."""
    with serving(small()) as api:
        api.events[A].append(an_event(A, 70, NOW, message=f"you sent {KEY}"))
        api.faults.extend(["500", "malformed", "drop"])
        api.latency = 0.02
        env = {**os.environ, **environment(api), "PYTHONPATH": str(ROOT), "OPENAI_LOG": "debug"}
        command = [sys.executable, "-m", "pipeline.cli", "archive", "--out", "a", "--lake", "l"]
        process = subprocess.Popen(
            command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        asked = Path(f"/proc/{process.pid}/cmdline")
        listed = asked.read_bytes() if asked.exists() else b""
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert b"HTTP Request" in output
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in output + listed + written


def test_without_the_extra_one_line_says_what_to_install(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the client both commands say how to get it, and leave nothing behind."""
    with mock.patch.dict(sys.modules, {"openai": None}):
        for args in (["archive", "--out", "a"], ["watch"]):
            assert run(args) == ExitCode.ENVIRONMENT
            (line,) = capsys.readouterr().err.splitlines()
            assert "pip install 'tunelog[archive]'" in line
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("name", ["archive", "watch"])
def test_examples_run(
    api: Api, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The examples of the help run as they stand, given an account; one ends in a report."""
    with click.Context(cli, info_name="tunelog") as ctx:
        command = cli.get_command(ctx, name)
    assert command
    for each in (api, other := small(azure=True)):
        each.add("ftjob-abc123", [an_event(B, 900, NOW - 80_000)])
        each.finish(B)
    calls = [
        line.partition(" > ")[0].removeprefix("  tunelog ")
        for line in cleandoc(command.help or "").splitlines()
        if line.startswith("  tunelog ")
    ]
    assert len(calls) >= 3
    with serving(other):
        for call in calls:
            names = environment(other) if "AZURE" in call else {}
            with mock.patch.dict(os.environ, names):
                assert run(shlex.split(os.path.expandvars(call))) == ExitCode.OK, call
    if name == "archive":
        page = Path("report.html").read_text()
        assert all(job in page for job in (A, B, C, "ftjob-abc123"))
