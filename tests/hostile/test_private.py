"""What a lake keeps to itself: its files from others, and secrets out of its files."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from dumps import A, a_job, a_page, an_event, an_exchange

from pipeline import open_lake
from pipeline.cli import run

KEY = "sk-proj-Zr9QsecretQx7"


@pytest.mark.skipif(os.name != "posix", reason="owners are told by POSIX")
def test_a_lake_is_its_owners(tmp_path: Path) -> None:
    """However much the umask allows, a new lake lets nobody but its owner in."""
    (tmp_path / "x.jsonl").write_text(json.dumps(an_event()) + "\n{oops}\n")
    before = os.umask(0)
    try:
        with open_lake(tmp_path / "deep" / "lake") as lake:
            lake.ingest([tmp_path / "x.jsonl"])
    finally:
        os.umask(before)
    folder = tmp_path / "deep" / "lake"
    for path in (folder, *(path for path in folder.iterdir() if path.is_dir())):
        assert path.stat().st_mode & 0o077 == 0, path


def everything(lake: Path) -> str:
    """All that stands in the files of a lake, decompressed."""
    text = ""
    for path in lake.rglob("*"):
        if path.suffix == ".parquet":
            text += repr(pq.read_table(path).to_pylist())
        elif path.is_file():
            text += path.read_bytes().decode("latin-1")
    return text


def exchange() -> dict[str, Any]:
    """A recorded exchange whose request shows its key."""
    made = an_exchange(A, a_page(1, 2))
    made["request"]["headers"] = {"Authorization": [f"Bearer {KEY}"]}
    made["response"]["headers"] = {"Set-Cookie": [f"session={KEY}"]}
    return made


NEIGHBOURS = {
    "job.json": {"job": a_job(A) | {"wandb_api_key": KEY}, "events": a_page(1, 2)},
    "beside.json": {"api_key": KEY, "fine_tuning_job_id": A, "events": a_page(1, 2)["data"]},
    "exchange.json": exchange(),
    "among.json": [a_job(A) | {"wandb_api_key": KEY}, an_event(1), an_event(2)],
}


LINES = {
    "lines.jsonl": [a_job(A) | {"integrations": [{"api_key": KEY}]}, an_event(1), an_event(2)],
    "pages.jsonl": [an_event(1), exchange(), an_event(2)],
}


def test_no_secret_of_a_neighbour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A key beside events or in the environment is neither stored nor printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    Path("in").mkdir()
    for name, content in NEIGHBOURS.items():
        Path("in", name).write_text(json.dumps(content, indent=1))
    for name, rows in LINES.items():
        Path("in", name).write_text("\n".join(map(json.dumps, rows)))
    for command in (
        ["ingest", "in", "--job-id", A], ["summary"], ["show", "sources", "--format", "json"],
        ["rejects"], ["export"], ["ingest", "no such file"],
    ):  # fmt: skip
        with suppress(SystemExit):
            run([*command, "--lake", "lake"])
    told = capfd.readouterr()
    with open_lake("lake") as lake:
        assert lake.sql("select sum(events) as n, count(*) as m from sources").rows() == [(2, 6)]
    assert KEY not in everything(Path("lake")) and KEY not in told.out + told.err
    assert A in told.out
