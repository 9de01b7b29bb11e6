"""Options given more than once: every value counts, or the repetition is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from small_jobs import JOB, OTHER, dump, events

from pipeline import open_lake
from pipeline.cli import COMMANDS, cli, run
from pipeline.cli.options import Size
from pipeline.errors import ExitCode
from pipeline.query import MIN_MEMORY, memory_bytes
from pipeline.sizes import byte_count

Called = tuple[list[str], click.Option]
THIRD = "ftjob-third0" + "a1B2c3" * 3


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of three jobs, of which the first failed."""
    folder = tmp_path_factory.mktemp("options")
    failing = [event | {"level": "error"} for event in events(JOB)]
    with open_lake(folder / "lake") as made:
        made.ingest([dump(folder / "dump.jsonl", failing, events(OTHER), events(THIRD))])
    return folder / "lake"


def told(capsys: pytest.CaptureFixture[str], lake: Path, *args: str, code: int = 0) -> str:
    """What a command prints; its line of error where it is called wrongly."""
    assert run([*args, "--lake", str(lake)]) == code
    shown = capsys.readouterr()
    return shown.err if code == ExitCode.USAGE else shown.out


def single_values() -> Iterator[Called]:
    """Each option that has one value, with the words that call its command."""

    def inside(words: list[str], command: click.Command) -> Iterator[Called]:
        for param in command.params:
            if isinstance(param, click.Option) and not param.multiple and not param.is_flag:
                yield words, param
        for name, below in getattr(command, "commands", {}).items():
            yield from inside([*words, name], below)

    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command
        yield from inside([name], command)


def test_every_job_named_counts(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """show, export and check take several jobs, by a beginning, too, and each of them once."""
    named = ["--job", OTHER, "--job", JOB[:12], "--job", OTHER]
    rows = json.loads(told(capsys, lake, "show", "jobs", *named, "--format", "json"))
    assert [row["job_id"] for row in rows] == [JOB, OTHER]
    lines = told(capsys, lake, "export", *named).splitlines()
    jobs = [row["id"] for row in map(json.loads, lines) if row["object"] == "fine_tuning.job"]
    assert jobs == [JOB, OTHER] and len(lines) == 2 * (1 + len(events(JOB)))
    table = told(capsys, lake, "export", "events", *named, "--format", "jsonl").splitlines()
    assert len(table) == 2 * len(events(JOB))
    verdicts = json.loads(told(capsys, lake, "check", *named, "--format", "json", code=1))
    assert [(row["job_id"], row["rule"]) for row in verdicts] == [(JOB, "error")]


def test_every_rule_named_counts(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """check fails on the rules of every --fail-on; none beside others is refused."""
    told(capsys, lake, "check", "--fail-on", "error", "--fail-on", "spike,gap", code=1)
    told(capsys, lake, "check", "--fail-on", "spike", "--fail-on", "gap")
    both = ["--fail-on", "none", "--fail-on", "error"]
    assert "'none' beside 1" in told(capsys, lake, "check", *both, code=ExitCode.USAGE)


def test_who_named_the_rules_is_told(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Settings are named for the rules where these are theirs, else for the thresholds."""
    config = tmp_path / "tunelog.toml"
    config.write_text('[check]\nfail_on = ["gap"]\n', encoding="utf-8")
    named = ["--lake", str(lake), "--config", str(config)]
    assert run(["check", *named]) == ExitCode.OK
    assert f"it fails on gap ({config})\n" in capsys.readouterr().err
    assert run(["check", *named, "--fail-on", "none"]) == ExitCode.OK
    assert f"it fails on nothing (thresholds: {config})\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "option"),
    list(single_values()),
    ids=lambda value: getattr(value, "name", None) or " ".join(value),
)
def test_no_repetition_is_passed_over(
    words: list[str], option: click.Option, capsys: pytest.CaptureFixture[str]
) -> None:
    """An option that has one value is refused when it is given twice, by each of its names."""
    short, long = option.opts[0], option.opts[-1]
    repeated = ["1"] * option.nargs
    assert run([*words, short, *repeated, long, *repeated]) == ExitCode.USAGE
    path = " ".join(["tunelog", *words])
    assert capsys.readouterr().err == (
        f"{path}: {long} is given 2 times: give it once: see `{path} --help`\n"
    )


def test_beginnings_of_ids_are_told(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A query without rows that names jobs by beginnings of their ids is told the whole ones."""
    query = f"from compare('{JOB[:12]}', '{THIRD[:12]}') where 'ft-none' <> $job"
    assert run(["sql", query, "-p", "job", OTHER[:12], "--lake", str(lake)]) == ExitCode.OK
    assert capsys.readouterr().err == "no rows\n" + "".join(
        f"{job[:12]}: a query has to name a job by its whole id, {job}\n"
        for job in (JOB, THIRD, OTHER)
    )


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["show", "jobs", "--job", ""], "'': no id of a job"),
        (["show", "jobs", "--where", ""], "--where '': nothing is named"),
        (["show", "jobs", "--columns", " "], "--columns '': nothing is named"),
        (["sql", "select 1 as a, 2 as a", "--format", "json"], "2 columns, 'a' twice"),
        (["sql", "select 1 as a, 2 as a", "-o", "x.parquet"], "2 columns, 'a' twice"),
        (["check", "--job", ""], "'': no id of a job"),
        (["assign", "", JOB], "'': no such source"),
        (["export", "--timeout", "9"], "--timeout is for views"),
        (["show", "jobs", "--where", "true", "--memory", "1MB"], "--memory 1MB: too little"),
        (["show", "jobs", "--where", "status ="], "--where 'status =': syntax error"),
        (["show", "jobs", "--where", "stat = 1"], "--where 'stat = 1': Referenced column \"stat\""),
        (
            ["show", "jobs", "--where", "status = failed"],
            "or write 'failed' if it is a text (`tunelo",
        ),
        (
            ["sql", 'from events where message like "%x%"'],
            "or write '%x%' if it is a text (`tunelog",
        ),
        (["show", "jobs", "--columns", "JOB_ID"], "no column 'JOB_ID', did you mean 'job_id'?"),
        (["sql", "select '\udcff'"], "not UTF-8: give it in UTF-8"),
        (["watch", "--every", "9999h"], "is longer than a week"),
        (["archive", "--timeout", "nan"], "nan is no number to count with"),
    ],
)
def test_values_that_mean_nothing_are_refused(
    lake: Path, capsys: pytest.CaptureFixture[str], args: list[str], says: str
) -> None:
    """One line says which value of which option it is."""
    line = told(capsys, lake, *args, code=ExitCode.USAGE)
    assert says in line and line.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("65536", 65_536), ("100B", 100), ("64k", 64 << 10), ("64kB", 64_000), ("2KiB", 2_048),
        ("500MB", 500_000_000), ("500 MiB", 500 << 20), ("500M", 500 << 20), ("1.5g", 3 << 29),
        ("2Gi", 2 << 30), ("0.5TB", 500_000_000_000), (" 1tib ", 1 << 40),
        ("0", None), ("0.1", None), ("", None), ("1ib", None), ("1PB", None), ("-1k", None),
        ("9" * 5_000, None), ("1e3", None),
    ],
)  # fmt: skip
def test_sizes_are_read_alike(text: str, size: int | None) -> None:
    """MB is decimal and MiB binary, of records as of memory; a letter alone is binary."""
    assert byte_count(text) == size
    if size is None:
        with pytest.raises(click.BadParameter, match="is no size"):
            Size().convert(text, None, None)
    else:
        assert Size().convert(text, None, None) == size
        if size >= MIN_MEMORY:
            assert memory_bytes(text) == size


def test_a_lake_without_a_name_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    """A variable that is not set makes no lake in the folder where one is."""
    assert run(["ingest", "dumps", "--lake", ""]) == ExitCode.USAGE
    assert "'' is no folder: name one" in capsys.readouterr().err


def test_steps_beyond_all_are_all(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A range may end beyond the greatest step that there can be."""
    told(capsys, lake, "curve", OTHER, "--steps", f"1:{'9' * 30}")


def test_no_parameter_of_a_query_is_passed_over(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A parameter of a query has one value; parameters are several."""
    both = ["-p", "a", "1", "-p", "b", "2"]
    assert told(capsys, lake, "sql", "select $a || $b as c", *both, "--format", "csv") == "c\n12\n"
    twice = told(capsys, lake, "sql", "select $a", "-p", "a", "1", "-p", "a", "2", code=2)
    assert twice == "tunelog sql: -p a is given 2 times: give it once\n"
