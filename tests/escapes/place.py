"""A small lake beside files that no query may read or write, and the escapes that try to."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.query import Stream, _lists, stream

ROOT = Path(__file__).resolve().parent.parent.parent
CANARY = "canary-7f1c"
ROWS = 1000


class Place:
    """A small lake, and beside it files that no query may read or write."""

    def __init__(self, root: Path) -> None:
        """Make both under `root`."""
        self.lake, self.outside = root / "lake", root / "outside"
        (self.lake / "events").mkdir(parents=True)
        self.outside.mkdir()
        self.segment = self.lake / "events" / "it's one.parquet"
        steps = list(range(ROWS))
        events = pa.table(
            {
                "step": steps,
                "train_loss": [1 / (step + 1) for step in steps],
                "message": [f"Step {step}" for step in steps],
                "created_at": pa.array(steps, pa.timestamp("us", tz="UTC")),
                "other_metrics": pa.array(
                    [[("a/b", 0.5)]] * ROWS, pa.map_(pa.string(), pa.float64())
                ),
                "misfits": [["x"]] * ROWS,
            }
        )
        pq.write_table(events, self.segment)
        (self.lake / "ledger.db").write_text(CANARY)
        secret = pa.table({"token": [CANARY]})
        pq.write_table(secret, self.outside / "secret.parquet")
        (self.outside / "secret.csv").write_text(f"{CANARY}\n")
        (self.outside / "secret.json").write_text(f'{{"token": "{CANARY}"}}\n')
        with duckdb.connect(str(self.outside / "other.duckdb")) as other:
            other.execute(f"create table secrets as select '{CANARY}' token")
        self.link = self.lake / "events" / "link.parquet"
        self.link.symlink_to(self.outside / "secret.parquet")
        quoted = str(self.segment).replace("'", "''")
        self.script = f"create view lake_events as from read_parquet(['{quoted}']);"
        self.script += "create view events as select * from lake_events;"
        self.script += "comment on view events is 'what happened';"
        self.script += "create macro ema(x) as x / 2;"
        self.script += "create macro curve(s) as table (from events where step = s);\n"
        self.script += "create view curve as from curve(1)"
        self.files = [str(self.segment)]

    def run(self, query: str, **options: object) -> pa.Table:
        """The whole answer."""
        with self.stream(query, **options) as answer:
            return pa.Table.from_batches(answer, answer.schema)

    def stream(self, query: str, **options: object) -> Stream:
        """The answer as it comes."""
        return stream(self.script, self.files, query, **options)  # type: ignore[arg-type]

    def fill(self, query: str) -> str:
        """An escape with its paths."""
        names = {
            "{secret}": self.outside / "secret.csv",
            "{secret_json}": self.outside / "secret.json",
            "{secret_parquet}": self.outside / "secret.parquet",
            "{segment}": str(self.segment).replace("'", "''"),
            "{target}": self.outside / "written",
            "{outside}": self.outside,
            "{lake}": self.lake,
            "{link}": self.link,
            "{nul}": "\0",
            "{deep}": "(" * 5000 + "1" + ")" * 5000,
            "{subqueries}": "(select * from " * 2_000 + "events" + ")" * 2_000,
        }
        for name, value in names.items():
            query = query.replace(name, str(value))
        return query

    def state(self) -> dict[str, str]:
        """Every path below, with the hash of its bytes."""
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            for path in sorted(self.lake.parent.rglob("*"))
        }


def escapes(*groups: str, every: int = 1) -> list[Any]:
    """Escapes of `tests/escapes/`, all or every n-th: each begins with a line `-- # name`."""
    found = []
    for group in groups:
        text = (Path(__file__).with_name(f"{group}.sql")).read_text()
        for block in text.split("-- # ")[1:]:
            name, _, query = block.partition("\n")
            found.append(pytest.param(query.strip(), id=f"{group}-{name}"))
    return found[::every]


def children(parent: int | None = None) -> set[int]:
    """Query processes that a process (this one) started and that have not ended."""
    asked = ["ps", "-wweo", "pid=,ppid=,args="]
    told = subprocess.run(asked, capture_output=True, text=True).stdout
    lines = [line.split(None, 2) for line in told.splitlines()]
    mine = str(parent or os.getpid())
    return {int(pid) for pid, owner, args in lines if owner == mine and "query_child" in args}


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return told.stdout.strip()[:1] not in ("", "Z")


def eventually(happens: Callable[[], Any]) -> Any:
    """The first true answer, or the last one after 30 s."""
    end = time.monotonic() + 30
    while not (result := happens()) and time.monotonic() < end:
        time.sleep(0.05)
    return result


def child_code(body: str, place: Place) -> str:
    """What code prints that runs with the names of `query_child` and a `request` of `place`."""
    request = (place.script, tuple(place.files), "", None, 2**30, 60.0, _lists())
    program = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import errno, os, pickle, resource, socket
from pipeline.query_child import *
request = Request(*pickle.loads({pickle.dumps(request)!r}))
{body}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return done.stdout


def landlock() -> bool:
    """Whether this kernel has Landlock."""
    told = subprocess.run(
        [sys.executable, "-c", "import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))"],
        capture_output=True,
        text=True,
    )
    return sys.platform == "linux" and int(told.stdout) > 0
