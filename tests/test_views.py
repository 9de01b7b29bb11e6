"""The views against a plain-Python oracle, and their descriptions against themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any

import duckdb
import oracle
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle_companions import Told
from oracle_lake import (
    MARTS,
    WITH_COMPANIONS,
    companion_table,
    comparable,
    files,
    lakes,
    lakes_with_companions,
    rows,
    table,
)
from strategies import examples

from pipeline import view_reference, views
from pipeline.contract import METRICS, TABLES
from pipeline.errors import LakeError
from pipeline.sqlfiles import sql_root
from pipeline.view_files import NO_ROWS, SPOKEN, view_files

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """All views over an event table in memory, that an example can fill anew."""
    with duckdb.connect() as con:
        views.create(con, files(tmp_path_factory.mktemp("lake")))
        con.register("given_events", TABLES["events"].empty_table())
        con.execute("create or replace view lake_events as select * from given_events")
        con.register("given_companions", TABLES["companions"].empty_table())
        con.execute("create or replace view lake_companions as select * from given_companions")
        yield con


HELD = (
    *("stg_checkpoint_objects", "stg_job_objects", "stg_outcomes", "stg_results"),
    *("stg_events", "stg_metrics", "stg_milestones", "stg_restarts", "loss_curves"),
    *("stg_methods", "stg_step_gaps", "stg_problems", "stg_job_states", "attempts", "jobs"),
)
"""Views that others read, each behind those it reads."""


def give(con: duckdb.DuckDBPyConnection, events: list[oracle.Event]) -> None:
    """Fill the event table, and hold what others read as reports do: planned once, not in each."""
    con.register("given_events", table(events))
    for view in HELD:
        con.execute(f"drop view if exists temp.{view}")
    for view in HELD:
        con.execute(f"create or replace temp table held_{view} as from {view}")
        con.execute(f"create temp view {view} as from held_{view}")


@examples(5)
@given(events=lakes())
def test_every_mart_equals_the_oracle(
    con: duckdb.DuckDBPyConnection, events: list[oracle.Event]
) -> None:
    """Whatever the events are, every mart has exactly the rows that plain Python computes."""
    give(con, events)
    for view, mart in MARTS.items():
        found, wanted = comparable(rows(con, f"from {view}"), mart(events))
        assert found == wanted, view


@examples(4)
@given(given_lake=lakes_with_companions())
def test_marts_with_companions_equal_the_oracle(
    con: duckdb.DuckDBPyConnection, given_lake: tuple[list[oracle.Event], list[Told]]
) -> None:
    """Whatever objects, webhooks and result rows lie beside events, the marts gain just that."""
    events, beside = given_lake
    con.register("given_companions", companion_table(beside))
    give(con, events)
    try:
        for view, mart in WITH_COMPANIONS.items():
            found, wanted = comparable(rows(con, f"from {view}"), mart(events, beside))
            assert found == wanted, view
        for view in ("jobs", "loss_curves", "checkpoints", "companions", "result_points"):
            grain = ", ".join(next(v.grain for v in views.catalogue() if v.name == view))
            assert not rows(con, f"select 1 from {view} group by {grain} having count(*) > 1")
    finally:
        con.register("given_companions", TABLES["companions"].empty_table())


@examples(2)
@given(events=lakes(), seed=st.randoms())
def test_grain_and_order_tell_rows_apart(
    con: duckdb.DuckDBPyConnection, events: list[oracle.Event], seed: Any
) -> None:
    """No two rows of a view share its grain, nor its order, whatever the events are."""
    seed.shuffle(events)
    give(con, events)
    for view in views.catalogue():
        keys = [", ".join(f'"{name}"' for name in key) for key in (view.grain, view.order)]
        told = ", ".join(f"count(distinct ({key},))" for key in keys)
        ((whole, *distinct),) = con.sql(f"select count(*), {told} from {view.name}").fetchall()
        assert distinct == [whole, whole], view.name


@pytest.mark.parametrize("view", views.catalogue(), ids=lambda view: view.name)
def test_views_are_described(view: views.View) -> None:
    """Every view has its question as comment, and every column of a mart a meaning with a unit."""
    assert view.question.endswith("?")
    names = [column.name for column in view.columns]
    assert set(view.grain + view.order) <= set(names)
    assert sorted(views.column_names(view.name)) == sorted(names)
    if view.layer == "marts":
        text = (sql_root() / "views" / "marts" / f"{view.name}.sql").read_text()
        comment = re.search(rf"comment on view {view.name} is\s+'((?:[^']|'')*)';", text)
        assert comment and comment[1].replace("''", "'") == view.question
        bare = [
            column.name
            for column in view.columns
            if not re.search(r"\S \[[^\]]+\]$", column.comment)
        ]
        assert bare == []


@pytest.mark.parametrize("view", views.catalogue(), ids=lambda view: view.name)
def test_headers_name_what_is_read(view: views.View) -> None:
    """`Reads` in a header is exactly what the view's SQL names, macros as what makes them."""
    makes = re.compile(r"create or replace macro (\w+)\(")
    made_by = {name: file.name for file in view_files() for name in makes.findall(file.sql)}
    text = (sql_root() / "views" / view.layer / f"{view.name}.sql").read_text()
    sql = re.sub(r"--.*", "", text).partition("comment on")[0]
    names = {other.name for other in views.catalogue()}
    names |= {f"lake_{name}" for name in (*TABLES, SPOKEN)}
    asked = re.findall(r"(?:from|join)\s+(?:\w+_of\(')?(\w+)", sql)
    asked += [
        made_by[name] for name in re.findall(r"(?:from|join)\s+(\w+)\(", sql) if name in made_by
    ]
    named = set(asked) & names
    local = set(re.findall(r"(\w+) as (?:not materialized )?\(", sql))
    assert named - local - {view.name} == set(view.reads)


def test_parameters_are_those_of_the_macro() -> None:
    """`Parameters` in a header is what the macro of the view's name takes."""
    for view in views.catalogue():
        text = (sql_root() / "views" / view.layer / f"{view.name}.sql").read_text()
        made = re.search(rf"create or replace macro {view.name}\((.*)\) as table", text)
        assert (made[1] if made else "") == view.parameters, view.name


def test_house_rules_of_sql() -> None:
    """SQL files are lower case outside texts, ask no clock, sort no view and fit 100 columns."""
    for path in (sql_root() / "views").glob("*/*.sql"):
        text = path.read_text()
        code = re.sub(r"'(?:[^']|'')*'|--.*", "''", text)
        assert code == code.lower(), path
        assert not re.search(r"now\(\)|current_(?:date|time)|random\(", code), path
        assert not re.search(r"order by[^)]*;", code), path
        assert max(map(len, text.splitlines())) <= 100, path


def test_window_names_are_one_views_own() -> None:
    """In open.sql no two views name a window alike, which DuckDB before 2.0 refuses."""
    owners: dict[str, str] = {}
    for file in view_files():
        names = set(re.findall(r"\bover (\w+)", re.sub(r"--.*|'[^']*'", "", file.portable)))
        defined = set(re.findall(r"(\w+) as \(\s*(?:partition|order) by", file.portable))
        assert names == defined, file.name
        for name in names:
            assert owners.setdefault(name, file.name) == file.name
    assert len(owners) > 10


def test_metrics_of_the_contract_are_in_the_curves() -> None:
    """Every metric of the contract is a column of loss_curves and of events."""
    columns = {view.name: {column.name for column in view.columns} for view in views.catalogue()}
    assert METRICS.keys() <= columns["loss_curves"]
    assert set(TABLES["events"].names) <= columns["events"]


SAMPLE = [
    {
        "id": "ftevent-1",
        "created_at": 1700000000,
        "level": "info",
        "message": "Fine-tuning job started",
    },
    {
        "id": "ftevent-2",
        "created_at": 1700000007,
        "level": "info",
        "message": "Step 1/2: training loss=0.5",
    },
]


def sample(job: str = "ftjob-a") -> pa.Table:
    """Two events of a job, one of them a step told by its message only."""
    return table([oracle.event(raw, job, place) for place, raw in enumerate(SAMPLE)])


def test_script_runs_in_the_shell(tmp_path: Path) -> None:
    """The text of open.sql gives the DuckDB shell the same answer as the Python package."""
    shell = which("duckdb", path=Path(sys.executable).parent)
    if shell is None:
        pytest.skip("the DuckDB shell (duckdb-cli) is not installed")
    script = views.script(files(tmp_path, events=sample()))
    (tmp_path / "open.sql").write_text(script)
    query = "select job_id, status, seen_seconds, final_train_loss from jobs"
    answer = subprocess.run(
        [shell, "-init", tmp_path / "open.sql", "-csv", "-noheader", "-c", query],
        capture_output=True,
        text=True,
        check=True,
    )
    with duckdb.connect() as con:
        con.execute(script)
        assert con.execute(query).fetchall() == [("ftjob-a", "running", 7.0, 0.5)]
    assert answer.stdout.strip().splitlines()[-1] == "ftjob-a,running,7.0,0.5"


def test_script_describes_views(tmp_path: Path) -> None:
    """A plain DuckDB that ran the script knows what each view and column means."""
    with duckdb.connect() as con:
        con.execute(views.script(files(tmp_path)))
        told = dict(con.execute("select view_name, comment from duckdb_views()").fetchall())
    assert all(
        told[view.name] == view.question for view in views.catalogue() if view.layer == "marts"
    )


@pytest.mark.parametrize("name", ["it's", "a [b] c", "q?", "star*", "ünï"])
def test_script_names_files_exactly(tmp_path: Path, name: str) -> None:
    """A folder with quotes or pattern characters in its name is read as itself."""
    decoy = tmp_path / name.replace("[b]", "b").replace("?", "x").replace("*", "xyz")
    for folder in {tmp_path / name, decoy}:
        folder.mkdir()
    files(decoy, events=sample("ftjob-decoy"))
    with duckdb.connect() as con:
        views.create(con, files(tmp_path / name, events=sample()), only=["jobs"])
        assert con.execute("select job_id from jobs").fetchall() == [("ftjob-a",)]


def test_optional_views_have_their_columns_without_rows(tmp_path: Path) -> None:
    """Where their tables have none: the same names and types, and nothing to plan."""
    none = {
        name: [str(Path(path).rename(tmp_path / NO_ROWS.format(name)))]
        for name, (path,) in files(tmp_path).items()
    }
    some = files(tmp_path)
    optional = [file.name for file in view_files() if file.is_optional]
    assert {"stg_spoken", "stg_results"} <= set(optional)
    told = []
    for paths, scans in ((some, True), (none | {SPOKEN: []}, False)):
        with duckdb.connect() as con:
            views.create(con, paths, only=[])
            told.append([con.execute(f"describe {name}").fetchall() for name in optional])
            plans = [con.execute(f"explain from {name}").fetchall()[0][1] for name in optional]
            assert [("READ_PARQUET" in plan) for plan in plans] == [scans] * len(optional)
    assert told[0] == told[1]


def test_create_makes_only_what_is_asked(tmp_path: Path) -> None:
    """With `only`, the views named and those they read are made, and no other."""
    with duckdb.connect() as con:
        views.create(con, files(tmp_path), only=["errors"])
        made = con.execute("select view_name from duckdb_views() where not internal").fetchall()
    tables = {f"lake_{name}" for name in (*TABLES, SPOKEN)}
    optional = {file.name for file in view_files() if file.is_optional}
    assert {name for (name,) in made} == {"errors", "stg_events"} | tables | optional


def test_script_refuses_what_is_missing(tmp_path: Path) -> None:
    """A table without a file and a view that does not exist are named in one line."""
    paths = files(tmp_path)
    with pytest.raises(LakeError, match=r"^nothing: no such view: `tunelog views` lists them$"):
        views.script(paths, only=["nothing"])
    with pytest.raises(LakeError, match=r"^rejects: no Parquet file"):
        views.script(paths | {"rejects": []})


def test_time_zone_changes_nothing(tmp_path: Path) -> None:
    """The views give the same instants and durations in any session time zone."""
    answers = []
    for zone in ("UTC", "Asia/Kathmandu"):
        with duckdb.connect() as con:
            views.create(con, files(tmp_path, events=sample()))
            con.execute(f"set TimeZone = '{zone}'")
            query = "select epoch(started_at), run_seconds, seen_seconds from jobs"
            answers.append(con.execute(query).fetchall())
    assert answers[0] == answers[1]


def test_reference_is_current() -> None:
    """`docs/views.md` is what `python -m pipeline.view_reference` prints."""
    assert (ROOT / "docs" / "views.md").read_text(encoding="utf-8") == view_reference.page()


def test_columns_need_no_quotes() -> None:
    """Every column of a mart can be asked for by its bare name, save `offset`, a word of SQL."""
    with duckdb.connect() as con:
        words = con.execute(
            "select keyword_name from duckdb_keywords() where keyword_category = 'reserved'"
        )
        reserved = {word for (word,) in words.fetchall()}
    named = {c.name for view in views.catalogue() if view.layer == "marts" for c in view.columns}
    assert named & reserved == {"offset"}
