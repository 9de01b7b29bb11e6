"""The command line as a person meets it: real processes, real exit codes."""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from inspect import cleandoc
from pathlib import Path

import click
import duckdb
import pyarrow.parquet as pq
import pytest
from engine import asked, fetched
from zygote import Ended, started

from pipeline import open_lake
from pipeline.cli import COMMANDS, cli
from pipeline.cli import run as cli_run
from pipeline.cli.output import write_rows
from pipeline.cli.reference import page
from pipeline.errors import ExitCode
from pipeline.figures import significant
from pipeline.interrupts import hearing, prompt
from pipeline.lake.lake import Lake
from pipeline.views import catalogue

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "data" / "samples"
JOB = "ftjob-abc123" + "a1B2c3" * 3
OTHER = "ftjob-xyz789" + "a1B2c3" * 3
HEAVY = ("duckdb", "polars", "pyarrow", "numpy", "rich", "openai", "httpx2", "pydantic")
TRIED_ELSEWHERE = ("ingest", "archive", "watch")
"""Commands whose examples need files or a server: test_readme.py, archive/test_archive_cli.py."""

Run = Callable[..., Ended]


def environment(**more: str) -> dict[str, str]:
    """The environment of a `tunelog` process."""
    kept = {k: v for k, v in os.environ.items() if k not in ("TUNELOG_LAKE", "COLUMNS")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def start(args: Sequence[str], cwd: Path, **env: str) -> subprocess.Popen[str]:
    """A `tunelog` process in a folder, with a pipe at each end."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", *args],
        cwd=cwd,
        env=environment(**env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


@pytest.fixture
def tunelog(tmp_path: Path) -> Run:
    """Run `tunelog` in an empty folder."""

    def run(*args: str, stdin: str = "", code: int = 0, **env: str) -> Ended:
        done = started().run(args, cwd=tmp_path, env=environment(**env), stdin=stdin)
        assert done.code == code, (args, done)
        if code:
            assert done.stderr.strip(), "a failure says why"
            assert "Traceback" not in done.stderr
        return done

    return run


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


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["inget"], "did you mean 'ingest'?"),
        (["frobnicate"], "no command 'frobnicate'"),
        (["leaderboard"], "it is a view: `tunelog show leaderboard`"),
        (["--lake", "x", "summary"], "a command's options stand behind it"),
        (["ingest", "x", "--lake"], "see `tunelog ingest --help`"),
        (["show"], "Missing argument 'VIEW'"),
        (["show", "job"], "no such view, did you mean 'jobs'?"),
        (["show", "jobs", "--columns", "job_id,dialct"], "did you mean 'dialect'?"),
        (["show", "jobs", "--format", "xml"], "'xml' is not one of"),
        (["show", "jobs", "--limit", "-1"], "-1"),
        (["ingest"], "Missing argument 'PATH...'"),
        (["ingest", "x", "--max-record-bytes", "many"], "'many' is no size"),
        (["sql", "select 1", "-f", __file__], "leave one out"),
        (["rejects", "--reason", "cutoff"], "did you mean 'cut_off'?"),
        (["rejects", "--max-record-bytes", "1GB"], "--max-record-bytes without --replay"),
        (["rejects", "--replay", "--limit", "3"], "leave --reason and --limit out"),
        (["export", "jobs", "-o", "x.table"], "'table' is not one of"),
        (["compact", "--keep", "nan"], "nan is no number to count with"),
        (["compact", "--keep", "1e300"], "1e+300 is not in the range"),
        (["sql", "select 1", "--timeout", "inf"], "inf is not in the range"),
    ],
)
def test_usage_errors(tunelog: Run, args: list[str], says: str) -> None:
    """A call that is wrong ends with 2 and one line that says what to write instead."""
    done = tunelog(*args, code=ExitCode.USAGE)
    assert done.stdout == ""
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "args",
    [
        ["summary"],
        ["show", "jobs"],
        ["sql", "select 1"],
        ["export"],
        ["rejects"],
        ["rejects", "--replay"],
        ["assign", "a.jsonl", JOB],
    ],
)
def test_reading_makes_no_lake(tunelog: Run, tmp_path: Path, args: list[str]) -> None:
    """A command that reads names the folder that is no lake, and makes none."""
    done = tunelog(*args, "--lake", "nowhere", code=ExitCode.USAGE)
    assert done.stderr.startswith("nowhere: no lake here")
    assert "tunelog ingest" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            "my lake/events",
            "my lake/events: no lake here: give the one around it, --lake 'my lake'",
        ),
        ("my lake/ledger.db", "give the one around it, --lake 'my lake'"),
        ("a.jsonl", "a.jsonl: a file: give the folder of a lake with --lake"),
    ],
)
def test_what_is_in_a_lake_or_a_file_is_none(
    tunelog: Run, tmp_path: Path, given: str, says: str
) -> None:
    """Who names a part of a lake, or a dump, is told what to name."""
    dump(tmp_path / "a.jsonl", events(JOB, steps=1))
    tunelog("ingest", "a.jsonl", "--lake", "my lake")
    assert says in tunelog("show", "jobs", "--lake", given, code=ExitCode.USAGE).stderr


@pytest.mark.parametrize(
    "args", [["nowhere"], ["empty"], ["no*where"], ["empty/a.jsonl", "--job-id", "ftjob a"]]
)
def test_a_refused_ingest_makes_no_lake(tunelog: Run, tmp_path: Path, args: list[str]) -> None:
    """What can be refused before anything is read leaves no lake that would answer emptily."""
    (tmp_path / "empty").mkdir()
    if len(args) > 1:
        (tmp_path / args[0]).write_text("{}")
    tunelog("ingest", *args, "--lake", "n", code=ExitCode.USAGE)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    assert tunelog("summary", "--lake", "n", code=ExitCode.USAGE).stdout == ""


def test_an_ingest_that_fails_leaves_a_whole_lake(tunelog: Run, tmp_path: Path) -> None:
    """A lake that was made for a dump which contradicts --job-id can be opened by any engine."""
    text = "".join(json.dumps(event) + "\n" for event in events(JOB))
    (tmp_path / "a.jsonl").write_text(text)
    tunelog("ingest", "a.jsonl", "--job-id", OTHER, "--lake", "n", code=ExitCode.USAGE)
    with duckdb.connect() as con:
        con.execute((tmp_path / "n" / "open.sql").read_text())
        assert con.execute("select count(*) from events").fetchall() == [(0,)]


def events(job: str, steps: int = 5, **first: object) -> list[dict[str, object]]:
    """A small job, oldest event first; `first` changes its creation message."""
    made = [{"message": f"Created fine-tuning job: {job}", "type": "message", "data": {}, **first}]
    for step in range(1, steps + 1):
        data = {"step": step, "total_steps": steps, "train_loss": 1 / step}
        made.append({"message": f"Step {step}/{steps}", "type": "metrics", "data": data})
    made.append({"message": "The job has successfully completed", "type": "message", "data": {}})
    return [
        {
            "object": "fine_tuning.job.event",
            "id": f"ftevent-{job[6:12]}{i:018d}",
            "created_at": 1714564800 + 60 * i,
            "level": "info",
            **event,
        }
        for i, event in enumerate(made)
    ]


def dump(path: Path, *jobs: list[dict[str, object]]) -> str:
    """Write events as JSON lines."""
    lines = (json.dumps(event) for job in jobs for event in job)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake of the samples, for tests that only read."""
    folder = tmp_path_factory.mktemp("samples")
    process = start(["ingest", str(SAMPLES)], folder)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, (out, err)
    return folder


@pytest.fixture
def ask(samples: Path) -> Run:
    """Run `tunelog` in the folder of the samples."""

    def run(*args: str, stdin: str = "", **env: str) -> Ended:
        done = started().run(args, cwd=samples, env=environment(**env), stdin=stdin)
        assert done.code == 0, (args, done)
        return done

    return run


def test_ingest_tells_every_source(tunelog: Run) -> None:
    """`ingest --format json` lists every source, and its counts add up to its records."""
    told = json.loads(tunelog("ingest", str(SAMPLES), "--format", "json").stdout)
    assert len(told) == sum(path.is_file() for path in SAMPLES.rglob("*"))
    for source in told:
        kinds = sum(source["ignored"].values()) + sum(source["rejects"].values())
        assert source["records"] == (
            source["events"]
            + source["duplicates"]
            + kinds
            + source["blank"]
            + sum(source["companions"].values())
        ), source
    again = json.loads(tunelog("ingest", str(SAMPLES), "--format", "json").stdout)
    assert {source["status"] for source in again} == {"known"}
    rows = tunelog("ingest", str(SAMPLES / "polled")).stdout.splitlines()[-8:]
    assert all(row.rstrip().endswith("0") for row in rows), "of known files no job is told"


def test_ingest_tells_a_person(tunelog: Run, tmp_path: Path) -> None:
    """The summary of `ingest` tells new events, duplicates, jobs and sources."""
    dump(tmp_path / "a.jsonl", events(JOB), events(JOB)[1:3], events(OTHER))
    text = tunelog("ingest", "a.jsonl").stdout
    assert "1 source (1 new), 16 records" in text
    assert "14 new events in 2 jobs" in text
    assert "2 duplicates" in text
    assert "a.jsonl" in text


def test_many_sources_are_folded(tunelog: Run, tmp_path: Path) -> None:
    """Of many sources the summary lists only those worth a look; json lists them all."""
    for i in range(60):
        dump(tmp_path / "d" / f"{i:02}.jsonl", events(f"ftjob-{i:024d}", steps=1))
    (tmp_path / "d" / "39.jsonl").open("a").write("{broken\n")
    lines = tunelog("ingest", "d", code=ExitCode.DATA).stdout.splitlines()
    assert len(lines) < 15
    assert any("39.jsonl" in line for line in lines)
    assert "59 sources without rejects: --format json lists all" in lines[-1]
    assert (
        len(json.loads(tunelog("ingest", "d", "--format", "json", code=ExitCode.DATA).stdout)) == 60
    )


def test_rejects_decide_the_exit_code(tunelog: Run, tmp_path: Path) -> None:
    """More rejects than allowed end with 1; the events are in the lake and the rejects kept."""
    path = dump(tmp_path / "a.jsonl", events(JOB))
    with Path(path).open("a") as file:
        file.write('{"id": \n')
    done = tunelog("ingest", "a.jsonl", code=ExitCode.DATA)
    assert "1 reject, with 0 allowed" in done.stderr
    assert json.loads(
        tunelog("sql", "select count(*) as n from events", "--format", "json").stdout
    )[0] == {"n": 7}
    kept = json.loads(tunelog("rejects", "--format", "json").stdout)
    assert [row["raw"] for row in kept] == ['{"id": ']
    assert tunelog("rejects", "--reason", "too_large").stdout.count("\n") == 2
    replayed = json.loads(tunelog("rejects", "--replay", "--format", "json").stdout)
    assert replayed == [{"tried": 1, "passed": 0, "still": 1}]
    tunelog("ingest", "a.jsonl", "--lake", "other", "--allow-rejects", "1")


def test_standard_input(tunelog: Run) -> None:
    """`ingest -` reads standard input."""
    lines = "".join(json.dumps(event) + "\n" for event in events(JOB))
    assert "7 new events in 1 job" in tunelog("ingest", "-", stdin=lines).stdout


def test_nothing_to_read(tunelog: Run, tmp_path: Path) -> None:
    """A path that is not there ends in an error that names it."""
    done = tunelog("ingest", "nowhere.jsonl", code=ExitCode.USAGE)
    assert "nowhere.jsonl" in done.stderr


def test_assign(tunelog: Run, tmp_path: Path) -> None:
    """`assign` gives the events of a source their job and tells how many."""
    dump(tmp_path / "a.jsonl", events(JOB)[1:])
    told = tunelog("ingest", "a.jsonl", "--lake", "lake").stderr
    assert "of 1 stream nothing tells the job" in told
    assert "then `tunelog assign SOURCE JOB --lake lake`" in told
    done = tunelog("assign", "a.jsonl", OTHER)
    assert not tunelog("ingest", "a.jsonl").stderr
    assert (done.stdout, "6 events moved" in done.stderr) == ("", True)
    jobs = json.loads(tunelog("show", "jobs", "--format", "json").stdout)
    assert [job["job_id"] for job in jobs] == [OTHER]


def test_show_is_ordered_and_selects(tunelog: Run, tmp_path: Path) -> None:
    """`show` keeps the view's order and takes a job, a condition, columns and a limit."""
    dump(tmp_path / "a.jsonl", events(OTHER), events(JOB))
    tunelog("ingest", "a.jsonl")

    def rows(*args: str) -> list[dict[str, object]]:
        done = tunelog("show", "loss_curves", *args, "--format", "json")
        return list(json.loads(done.stdout))

    assert [(r["job_id"], r["step"]) for r in rows()] == [
        (job, step) for job in (JOB, OTHER) for step in range(1, 6)
    ]
    assert [r["step"] for r in rows("--job", "ftjob-xyz", "--where", "step > 2 -- late")] == [
        3,
        4,
        5,
    ]
    assert rows("--columns", "train_loss, step", "--limit", "1") == [{"train_loss": 1.0, "step": 1}]
    several = tunelog("show", "jobs", "--job", "ftjob-", code=ExitCode.USAGE)
    assert "2 jobs begin so" in several.stderr
    assert "no job" in tunelog("show", "jobs", "--job", "ftjob-q", code=ExitCode.USAGE).stderr


def test_sql_by_every_way_in(ask: Run, samples: Path) -> None:
    """A query comes as an argument, by a pipe or from a file, with values for its parameters."""
    query = "select job_id from jobs where status = $status order by 1"
    given = ("-p", "status", "failed", "--format", "csv")
    (samples / "q.sql").write_text(query)
    answers = {
        ask("sql", query, *given).stdout,
        ask("sql", *given, stdin=query).stdout,
        ask("sql", "-", *given, stdin=query).stdout,
        ask("sql", "-f", "q.sql", *given).stdout,
    }
    assert len(answers) == 1
    assert len(answers.pop().splitlines()) > 1


def test_sql_is_locked_down(tunelog: Run, tmp_path: Path) -> None:
    """A query that reads a file is refused with one line and 2."""
    dump(tmp_path / "a.jsonl", events(JOB))
    tunelog("ingest", "a.jsonl")
    done = tunelog("sql", "select * from read_csv('a.jsonl')", code=ExitCode.USAGE)
    assert len(done.stderr.splitlines()) == 1
    tunelog("show", "jobs", "--where", "exists (from 'a.jsonl')", code=ExitCode.USAGE)


def test_export_gives_the_events_back(tunelog: Run, tmp_path: Path) -> None:
    """`export` gives the events back JSON-equal, and any view as a file of the format named."""
    sent = events(JOB, unknown={"kept": [1, None, "\x9b31m \x7f é 汉"]})
    dump(tmp_path / "a.jsonl", sent)
    tunelog("ingest", "a.jsonl")
    out = tunelog("export").stdout
    told, *back = [json.loads(line) for line in out.splitlines()]
    assert told == {"object": "fine_tuning.job", "id": JOB}
    assert back == sent
    assert "\x9b" not in out
    tunelog("export", "-o", "packed.jsonl.gz")
    assert gzip.decompress((tmp_path / "packed.jsonl.gz").read_bytes()).decode() == out
    tunelog("export", "loss_curves", "-o", "curves.parquet")
    assert pq.read_table(tmp_path / "curves.parquet")["step"].to_pylist() == [1, 2, 3, 4, 5]
    assert tunelog("export", "jobs", "--format", "csv").stdout.startswith("job_id,")


def test_export_of_what_was_indented_with_tabs(tunelog: Run, tmp_path: Path) -> None:
    """White space between tokens is no part of a text: the export is JSON, and equal."""
    sent = events(JOB, unknown={"kept": [1, {"a": "\t"}]})
    (tmp_path / "a.json").write_text(json.dumps(sent, indent="\t"), newline="\r\n")
    tunelog("ingest", "a.json")
    _, *back = [json.loads(line) for line in tunelog("export").stdout.splitlines()]
    assert back == sent


def test_summary(ask: Run) -> None:
    """`summary` tells outcome, duration, losses, errors and warnings of the newest jobs."""
    told = json.loads(ask("summary", "--format", "json").stdout)
    text = ask("summary", "--limit", "100", COLUMNS="130").stdout
    for job in told["jobs"]:
        assert job["job_id"][:30] in text
    assert {"succeeded", "failed", "cancelled", "running"} <= {j["status"] for j in told["jobs"]}
    for status in ("succeeded", "failed", "cancelled", "running"):
        assert status in text
    best = {row["job_id"]: row for row in told["best_steps"]}
    for line in text.splitlines():
        if row := best.get(line.split(" ")[0]):
            assert f"{significant(row['best_value'])} @{row['best_step']} " in line
            assert (" ~ " in line) == row["is_smoothed"]
    assert len(best) > 20 and "full reward" in text and "train reward" not in text
    for row in told["problems"]:
        assert row["example"][:20].split("\n")[0] in text
    kinds = [(row["severity"], -row["events"]) for row in told["problems"]]
    assert kinds == sorted(kinds) and kinds[0][1] < -1, "the commonest first"
    narrow = ask("summary", "--limit", "12", COLUMNS="80").stdout.splitlines()
    assert max(map(len, narrow)) <= 80 and narrow[2].startswith("job ")
    slim = ask("summary", "--limit", "12", COLUMNS="60").stdout.splitlines()
    assert slim[2].split()[:2] == ["job", "outcome"]  # how a job ended is told first of all
    least = ask("summary", "--limit", "1", COLUMNS="40").stdout
    assert "The job failed" in least and "last seen" not in least, "kinds are told by their text"
    assert "| job | outcome |" in ask("summary", "--format", "markdown").stdout


def test_a_failure_that_only_an_object_tells(tunelog: Run, tmp_path: Path) -> None:
    """The summary says where the reason stands, if that is no event."""
    job = {"object": "fine_tuning.job", "id": "ftjob-AAAAAAAAAAAA", "status": "failed"}
    job["error"] = {"code": "server_error", "message": "The cluster is gone"}
    (tmp_path / "job.json").write_text(json.dumps(job))
    tunelog("ingest", "job.json")
    told = tunelog("summary").stdout.splitlines()
    assert "of 1 failed job no event tells an error: tunelog show failure_reasons" in told
    assert "The cluster is gone" in tunelog("show", "failure_reasons").stdout


def test_every_view_fits_the_terminal(
    samples: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every mart can be shown in 80 columns, and what does not fit is named."""
    monkeypatch.setenv("COLUMNS", "80")
    with open_lake(samples / "lake") as lake:
        con = asked(lake)
        for view in [view for view in catalogue() if view.layer == "marts"]:
            rows = fetched(con, f"from {view.name} limit 30")
            write_rows(rows.to_reader(), "table", None)
            out, err = capfd.readouterr()
            assert max(map(len, out.splitlines())) <= 80, view.name
            told = "no rows" in out + err or all(c.name in out + err for c in view.columns)
            assert told, view.name


def test_hints_can_be_typed(tunelog: Run, tmp_path: Path) -> None:
    """What a command prints to be typed is quoted for the shell, whatever a dump calls a job."""
    job = "x; touch pwned #"
    body = {"fine_tuning_job_id": job, "events": [*events(JOB)[1:], {}]}
    (tmp_path / "a.json").write_text(json.dumps(body))
    told = tunelog("ingest", "a.json", "--lake", "my lake", code=ExitCode.DATA).stderr
    assert "`tunelog rejects --lake 'my lake'`" in told
    hint = tunelog("summary", "--lake", "my lake").stderr
    words = shlex.split(hint.split(", ")[1])
    assert words == ["tunelog", "show", "loss_curves", "--job", job, "--lake", "my lake"]


def test_text_of_events_is_inert(tunelog: Run, tmp_path: Path) -> None:
    """No escape sequence of an event's text comes out of any command as one."""
    evil = "\x1b[31mred \x9b5m\u202e"
    dump(tmp_path / "a.jsonl", events(JOB, message=evil, level="error"))
    tunelog("ingest", "a.jsonl", "--job-id", JOB)
    for args in (
        ["summary"],
        ["show", "errors"],
        ["show", "events", "--format", "json"],
        ["export"],
    ):
        out = tunelog(*args).stdout
        assert "red" in out, args
        assert not {"\x1b", "\x9b", "\u202e"} & set(out), args


def test_a_closed_pipe_is_quiet(samples: Path) -> None:
    """A reader that has enough ends the command quietly."""
    process = start(["show", "events", "--format", "jsonl"], samples)
    assert process.stdin and process.stdout and process.stderr
    process.stdin.close()
    assert process.stdout.readline().startswith("{")
    process.stdout.close()
    assert process.wait(60) == ExitCode.OK
    assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["check", "--all", "--format", "jsonl"], "check failed in"),
        (["ingest", "{dump}", "--format", "jsonl"], "1 of 1 sources refused"),
    ],
)
def test_a_verdict_outlives_its_reader(
    samples: Path, tmp_path: Path, args: list[str], says: str
) -> None:
    """A judgement whose rows nobody reads to the end is told, and is the exit code."""
    dump = tmp_path / "dump.jsonl"
    dump.write_text("no event\n{\n")
    for is_heard in (True, False):
        process = start([arg.format(dump=dump) for arg in args], samples)
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        if is_heard:
            assert says in process.stderr.read()
        else:
            process.stderr.close()
        assert process.wait(60) == ExitCode.DATA


def test_an_interrupt_ends_with_130(samples: Path) -> None:
    """Ctrl-C ends a command with 130 and one line."""
    process = start(["sql", "-"], samples)
    assert process.stdin and process.stderr
    time.sleep(1)  # until it waits for the query
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == ExitCode.INTERRUPTED
    assert process.stderr.read().splitlines()[-1:] == ["interrupted"]


def test_an_interrupt_ends_a_long_query_at_once(
    samples: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C is not left waiting until the engine looks for it, which by chance it does at once."""

    def endless(lake: Lake, *_: object, **__: object) -> None:
        threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]).start()
        lake.connect([]).execute("select sum(range & 3) from range(10000000000)")

    monkeypatch.setattr("pipeline.checks.check", endless)
    for _ in range(6):
        began = time.perf_counter()
        assert cli_run(["check", "--lake", str(samples / "lake")]) == ExitCode.INTERRUPTED
        assert time.perf_counter() - began < 3
        assert capsys.readouterr().err == "interrupted\n"


def test_an_interrupt_passes_over_a_connection_that_was_closed() -> None:
    """No thread ends with a traceback, and the next connection still hears of it."""
    heard, failed = threading.Event(), []

    class Open:
        def interrupt(self) -> None:
            heard.set()

    closed, still = hearing(duckdb.connect()), Open()
    closed.close()
    hearing(still)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "excepthook", failed.append)
        with pytest.raises(KeyboardInterrupt), prompt():
            signal.raise_signal(signal.SIGINT)
    assert heard.wait(5) and not failed


def _interrupted_rows() -> duckdb.Error:
    """What the engine makes of an interrupt that comes while it asks Python for rows."""

    class Rows:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            raise KeyboardInterrupt

    with duckdb.connect() as con, pytest.raises(duckdb.InvalidInputException) as told:
        con.register("rows", Rows())
    return told.value


@pytest.mark.parametrize(
    "told",
    [RuntimeError("Query interrupted"), duckdb.InterruptException(), _interrupted_rows()],
)
def test_the_engine_has_errors_of_its_own_for_an_interrupt(
    told: Exception,
    samples: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They are told as any other interrupt."""

    def interrupted(*_: object, **__: object) -> None:
        raise told

    monkeypatch.setattr("pipeline.checks.check", interrupted)
    assert cli_run(["check", "--lake", str(samples / "lake")]) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("args", [("views", "-o"), ("synth", "--jobs", "3")])
def test_a_full_disk_is_told(tunelog: Run, args: tuple[str, ...]) -> None:
    """A file that cannot be written ends with 3 and its name."""
    done = tunelog(*args, "/dev/full", code=ExitCode.ENVIRONMENT)
    told = "/dev/full: No space left on device: mend that, then repeat the command\n"
    assert done.stderr == told


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(("args", "code"), [("history", 0), ("compact", 0), ("show nope", 2)])
def test_notes_that_nobody_hears_change_no_exit_code(
    tunelog: Run, tmp_path: Path, args: str, code: int
) -> None:
    """Where standard error is a file on a full disk, the exit code still tells the truth."""
    dump(tmp_path / "a.jsonl", events(JOB))
    tunelog("ingest", "a.jsonl")
    command = [sys.executable, "-m", "pipeline.cli", *args.split()]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, cwd=tmp_path, env=environment(), stderr=full, check=False)
    assert done.returncode == code


def test_the_lake_is_found(tunelog: Run, tmp_path: Path) -> None:
    """The lake is --lake, else $TUNELOG_LAKE, else ./lake."""
    dump(tmp_path / "a.jsonl", events(JOB))
    tunelog("ingest", "a.jsonl", TUNELOG_LAKE="one")
    tunelog("ingest", "a.jsonl", "--lake", "two", TUNELOG_LAKE="one")
    tunelog("ingest", "a.jsonl")
    assert {path.name for path in tmp_path.iterdir()} == {"a.jsonl", "one", "two", "lake"}


def test_python_finds_the_same_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name `open_lake` opens the command's: $TUNELOG_LAKE, else ./lake."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNELOG_LAKE", raising=False)
    for told, lake in ((None, "lake"), ("", "lake"), ("one", "one")):
        if told is not None:
            monkeypatch.setenv("TUNELOG_LAKE", told)
        with open_lake() as found:
            assert found.path == tmp_path / lake


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
