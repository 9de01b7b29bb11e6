"""The lake in Python: what it takes and answers, to which thread and process, and until when."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import pytest
from numbered_jobs import dump
from strategies import job_name
from test_ingest import JOB, LONG, event, lines
from threads import at_once

from pipeline import open_lake
from pipeline.errors import LakeError, UsageError
from pipeline.lake.lake import Lake

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("limit", ["max_record_bytes", "max_expansion"])
def test_a_limit_below_one_is_refused(tmp_path: Path, limit: str) -> None:
    """All records would be too large, and no lake is made for that."""
    with open_lake(tmp_path / "lake") as lake:
        with pytest.raises(UsageError, match=rf"^{limit}=-1: give 1 or more$"):
            lake.ingest(tmp_path, **{limit: -1})
        with pytest.raises(UsageError, match=r"^max_record_bytes=0: give 1 or more$"):
            lake.replay_rejects(max_record_bytes=0)
    assert not (tmp_path / "lake").exists()


def test_the_same_file_again(tmp_path: Path) -> None:
    """The same content is skipped under any path, and read again under another job."""
    path = tmp_path / "dump.jsonl"
    path.write_text(lines(*LONG[1:4]))
    copy = tmp_path / "copy.jsonl"
    copy.write_text(path.read_text())
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        segments = sorted((lake.path / "events").iterdir())
        assert [s.status for s in lake.ingest([path, copy]).sources] == ["known", "known"]
        assert sorted((lake.path / "events").iterdir()) == segments
        assert lake.ingest([copy], job_id=JOB).sources[0].status == "new"
        assert lake.view("events")["job_id"].unique().to_list() == [JOB]


def test_connections_are_snapshots(tmp_path: Path) -> None:
    """A connection shows the lake of its moment, whatever is committed, mended or compacted."""
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "lake") as rival:
        lake.ingest([dump(tmp_path, 1)])
        con = lake.connect()
        assert len(lake.view("events")) == 5
        rival.ingest([dump(tmp_path, 2)])
        rival.assign(str(dump(tmp_path, 1)), job_name(3), force=True)
        rival.compact()
        asked = "select job_id, count(*) as n from events group by all order by all"
        assert con.sql(asked).fetchall() == [(job_name(1), 5)]
        assert lake.sql(asked).rows() == [(job_name(1), 5)]
        engine = lake._con
        lake.refresh()
        assert lake.sql(asked).rows() == [(job_name(2), 5), (job_name(3), 5)]
        assert lake._con is not engine  # which keeps what it read of each file, gone or not


_BARS = """
from pathlib import Path
from pipeline import open_lake
from pipeline.lake.engine import engine as working
from pipeline.normalise import engine
with engine(print) as read, working(Path()) as settled, open_lake("lake") as lake:
    for con in (read, settled, lake.connect()):
        print(*con.execute("select current_setting('enable_progress_bar')").fetchone())
"""


def test_no_engine_draws_a_bar(tmp_path: Path) -> None:
    """A long query of `python -c` or a notebook writes nothing into what is printed."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([dump(tmp_path, 1)])
    command = [sys.executable, "-c", _BARS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == 3 * ["False"]


def test_the_script_shows_the_latest(tmp_path: Path) -> None:
    """open.sql makes the views of the latest commit in any DuckDB."""
    with open_lake(tmp_path / "lake") as lake:
        for number in range(2):
            lake.ingest([dump(tmp_path, number)])
            with duckdb.connect() as con:
                con.execute((lake.path / "open.sql").read_text())
                found = con.execute("select count(*) from events").fetchone()
            assert found == (5 * (number + 1),)


def test_asking(tmp_path: Path) -> None:
    """`sql` takes parameters, `view` gives the order of the grain, a wrong name is told."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([dump(tmp_path, 2), dump(tmp_path, 1)])
        asked = lake.sql("select count(*) as n from events where job_id = $job", job=job_name(1))
        assert asked["n"].to_list() == [5]
        assert lake.view("jobs")["job_id"].to_list() == [job_name(1), job_name(2)]
        with pytest.raises(UsageError, match=r"^nothing: no such view: see `tunelog views`$"):
            lake.view("nothing")
        with pytest.raises(UsageError, match=r"^3: no such view: see"):
            lake.view(3)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=r"no such view, did you mean 'loss_curves'\?: see"):
            lake.view("loss_curve")
        others = (
            "set threads = 1",
            "drop view jobs",
            "select 1; select 2",
            "create table t (n int)",
        )
        for text in ("", "-- nothing", *others):
            with pytest.raises(UsageError, match="no query"):
                lake.sql(text)
        assert len(lake.sql("pivot (select type, 1 as n from events) on type using sum(n)")) == 1
        assert len(lake.view("jobs")) == 2


def test_a_parameter_may_have_any_name(tmp_path: Path) -> None:
    """Also those that the method itself has for its own."""
    with open_lake(tmp_path / "lake") as lake:
        lake.make()
        assert lake.sql("select $query + $self as n", query=1, self=2).item() == 3


def test_what_a_notebook_has_at_hand_is_a_parameter(tmp_path: Path) -> None:
    """A column of a frame, and a number or an array of numpy, though the engine takes not all."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([dump(tmp_path, 2), dump(tmp_path, 1)])
        ids = lake.view("jobs")["job_id"]
        step = ids.to_frame().select(step=1).to_numpy().max()
        asked = "select count(*) from jobs where job_id in $ids and $step = 1"
        for given in (ids, ids.to_numpy(), ids.to_list()):
            assert lake.sql(asked, ids=given, step=step).item() == 2
        assert lake.sql(asked, ids=ids.clear(), step=step).item() == 0
        assert lake.sql(
            "select $time::date = '2024-05-01'", time=np.datetime64("2024-05-01")
        ).item()


def test_a_notebook_shows_lines(tmp_path: Path) -> None:
    """What stands alone in a cell is a line: the lake, and what became of however many dumps."""
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{}\n")
    with open_lake(tmp_path / "lake") as lake:
        report = lake.ingest([dump(tmp_path, 1), dump(tmp_path, 2), broken])
        assert repr(report) == "<IngestReport: 3 sources, 10 new events, 1 reject, 0 refused>"
        assert repr(lake) == f"<Lake {str(tmp_path / 'lake')!r}>"


def test_threads_take_turns(tmp_path: Path) -> None:
    """Several threads ask one lake, each question is answered, and none by another's rows."""

    def ask(lake: Lake, number: int) -> None:
        for _ in range(8):
            told = lake.sql("select $n as n, count(*) as events from events", n=number)
            assert told.row(0) == (number, 10)
            assert len(lake.view(("jobs", "events", "sources", "errors")[number])) != 1
            assert lake.whole_job_id(job_name(1)) == job_name(1)
            lake.refresh()

    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([dump(tmp_path, 1), dump(tmp_path, 2)])
        at_once(*(partial(ask, lake, number) for number in range(4)))


def test_a_snapshot_whose_files_are_gone_says_so(tmp_path: Path) -> None:
    """Of a lake that was compacted long after it was read: one line, and `refresh` mends it."""
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "lake") as other:
        lake.ingest(dump(tmp_path, 1))
        lake.ingest(dump(tmp_path, 2))
        assert len(lake.view("jobs")) == 2
        other.compact(keep_hours=0)
        for ask in (lambda: lake.view("jobs"), lambda: lake.sql("from jobs")):
            with pytest.raises(LakeError, match=r"compacted since it was read: call refresh\(\)$"):
                ask()
        lake.refresh()
        assert len(lake.view("jobs")) == 2
        (segment,) = (tmp_path / "lake" / "events").iterdir()
        segment.unlink()  # which no refresh brings back
        with pytest.raises(duckdb.IOException):
            lake.view("jobs")


@pytest.mark.parametrize("use", [
    lambda lake: lake.view("jobs"),
    lambda lake: lake.sql("select 1"),
    lambda lake: lake.connect(),
    lambda lake: lake.snapshot(),
    lambda lake: lake.refresh(),
    lambda lake: lake.telling_damage(),
    lambda lake: lake.whole_job_id("ftjob-a"),
    lambda lake: lake.export_events(),
    lambda lake: lake.verify(),
    lambda lake: lake.make(),
    lambda lake: lake.ingest("nowhere"),
    lambda lake: lake.assign("a.jsonl", JOB),
    lambda lake: lake.replay_rejects(),
    lambda lake: lake.compact(),
    lambda lake: lake.curve(JOB),
    lambda lake: lake.compare(JOB),
    lambda lake: lake.timeline(JOB),
    lambda lake: lake.__enter__(),
])  # fmt: skip
@pytest.mark.parametrize("made", [True, False])
def test_a_closed_lake_says_so(tmp_path: Path, made: bool, use: Callable[[Lake], object]) -> None:
    """Whatever is asked or changed after the end is refused in one way, and makes nothing."""
    lake = open_lake(tmp_path / "lake")
    if made:
        lake.make()
    lake.close()
    lake.close()
    with pytest.raises(UsageError, match=r"^the lake is closed: open it again$"):
        use(lake)
    assert (tmp_path / "lake").exists() == made


FORKED = """
import os, sys
from pipeline import open_lake
from pipeline.errors import UsageError

with open_lake(sys.argv[1]) as lake:
    print(len(lake.view("jobs")), flush=True)
    if not os.fork():
        try:
            lake.view("jobs")
        except UsageError as error:
            print(error, flush=True)
        os._exit(0)
    os.wait()
"""


def test_a_lake_stays_in_its_process(tmp_path: Path) -> None:
    """After a fork, as pools of workers make it, a lake refuses what it would wait for forever."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest(dump(tmp_path, 1))
    command = [sys.executable, "-c", FORKED, str(tmp_path / "lake")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    told = "the lake was opened before a fork: spawn workers that open it"
    assert done.stdout.splitlines() == ["1", told]


def test_intervals_are_no_columns_of_frames(tmp_path: Path) -> None:
    """A difference of times, which polars cannot hold, is refused with what to ask for."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest(dump(tmp_path, 1))
        took = "max(created_at) - min(created_at)"
        with pytest.raises(
            UsageError, match=r"^took: .*INTERVAL: ask for epoch\(\.\.\.\), seconds$"
        ):
            lake.sql(f"select {took} as took from events")
        assert lake.sql(f"select epoch({took}) as took from events")["took"][0] >= 0
        with pytest.raises(UsageError, match=r"^took: polars has no INTERVAL"):
            lake.sql(f"select [{{'a': {took}}}] as took from events")
        named = lake.sql("""select {'INTERVAL': 1, 'an "INTERVAL"': 'INTERVAL'} as named""")
        assert named["named"][0] == {"INTERVAL": 1, 'an "INTERVAL"': "INTERVAL"}


def test_one_path_is_no_list_of_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path, a view or a metric may be given as it is, without a list around it."""
    (tmp_path / "inside").mkdir()
    dump(tmp_path, 1)
    monkeypatch.chdir(tmp_path / "inside")
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest("..")
        assert lake.view("jobs")["job_id"].to_list() == [job_name(1)]
        assert lake.connect("jobs").sql("select count(*) from jobs").fetchall() == [(1,)]
        assert lake.curve(job_name(1), metrics="train_loss")


def test_nan_and_quotes_survive_a_commit(tmp_path: Path) -> None:
    """Odd texts in ids, names and payloads go through every rewrite of the lake unharmed."""
    odd = event(1, id='ftevent-it\'s "odd" \u2028', message="'; drop table x; --", level="o'k")
    path = tmp_path / "it's [a] *.jsonl"
    path.write_text(json.dumps(odd) + "\n" + json.dumps(event(2)) + "\n")
    with open_lake(tmp_path / "la'ke") as lake:
        lake.ingest([path])
        lake.assign(str(path), "it's-a-job")
        lake.ingest([dump(tmp_path, 1)])
        lake.compact()
        found = [json.loads(line) for line in lake.export_events("it's-a-job")]
        assert found[1:] == [odd, event(2)]
