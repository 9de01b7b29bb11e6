"""What commands answer: rows in order, summaries that fit, text that does nothing."""

from __future__ import annotations

import gzip
import json
import shlex
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from engine import asked, fetched
from running import Run
from small_jobs import JOB, OTHER, dump, events

from pipeline import open_lake
from pipeline.cli.output import write_rows
from pipeline.errors import ExitCode
from pipeline.figures import significant
from pipeline.views import catalogue


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


def test_streams_of_no_job_can_be_told_apart(tunelog: Run, tmp_path: Path) -> None:
    """In a narrow terminal the summary cuts no id to what all of its kind begin with."""
    for job in (JOB, OTHER):
        _, *nameless = events(job)
        nameless[-2]["data"] = {"step": 1_000, "train_loss": 1.0, "full_valid_loss": 1.234e-05}
        dump(tmp_path / f"{job[6:9]}.jsonl", nameless)
    tunelog("ingest", ".")
    text = tunelog("summary", COLUMNS="80").stdout.splitlines()
    assert len({line.split()[0] for line in text if line.startswith("unattributed-")}) == 2


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


def test_columns_are_to_be_asked_for_where_they_can(tunelog: Run, tmp_path: Path) -> None:
    """What did not fit is named; that fewer be asked for, only by commands that can be told."""
    dump(tmp_path / "a.jsonl", events(JOB), events(OTHER))
    (tmp_path / "b.jsonl").write_text("{}\n[]\n{}\n")
    tunelog("ingest", ".", code=ExitCode.DATA)
    for args, can in (
        (["show", "jobs"], True),
        (["sql", "select * from jobs"], True),
        (["rejects"], False),
        (["summary"], False),
    ):
        hint = tunelog(*args, COLUMNS="60").stderr
        assert "columns do not fit: " in hint and "ask for " in hint and "--format json" in hint
        assert ("ask for fewer" in hint) == can, args
    hint = tunelog("ingest", ".", code=ExitCode.DATA, COLUMNS="40").stderr
    assert "columns do not fit: " in hint and "rejects" in hint.partition(":")[2]


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
