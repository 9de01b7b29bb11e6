"""A lake is sound after every command, while others write, and where a crash came between."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from small_jobs import OTHER, dump, events
from test_ingest import JOB, event, lines
from verified import verified

from pipeline import open_lake
from pipeline.errors import LakeError
from pipeline.lake.store import Store
from pipeline.lake.verify import Verification


def test_sound_after_every_command(tmp_path: Path) -> None:
    """A lake is sound when it is new, and after every command that changes it."""
    file, nameless = tmp_path / "grows.jsonl", tmp_path / "nameless.json"
    file.write_text(lines(event(1), event(2)) + '{"cut')
    nameless.write_text(json.dumps([event(50), event(51, data=[])]))
    with open_lake(tmp_path / "lake") as lake:

        def sound(done: object) -> None:
            assert lake.verify() == Verification(
                segments=len(lake._store.ledger.live_segments()), events=len(lake.view("events"))
            ), done

        lake.make()
        sound("new")
        sound(lake.ingest([file], job_id=JOB))
        sound(lake.ingest([file], job_id=JOB))
        file.write_text(lines(event(1), event(2)) + '{"cut": "no more"}\n' + lines(event(3)))
        sound(lake.ingest([file], job_id=JOB))
        sound(lake.ingest([nameless]))
        sound(lake.assign(str(nameless), OTHER))
        sound(lake.ingest([file], job_id=OTHER))
        sound(lake.replay_rejects())
        sound(lake.compact())
        sound(lake.compact())


def test_sound_while_others_write(tmp_path: Path) -> None:
    """A lake that is being written and compacted is sound whenever one looks."""
    work = iter(range(1000))
    done = threading.Event()

    def write() -> None:
        with open_lake(tmp_path / "lake") as lake:
            for n in work:
                file = tmp_path / f"{n}.jsonl"
                file.write_text(lines(event(n)))
                lake.ingest([file], job_id=JOB)
                if n % 5 == 4:
                    lake.compact()
                if done.is_set():
                    return

    with open_lake(tmp_path / "lake") as lake:
        lake.make()
    thread = threading.Thread(target=write)
    thread.start()
    try:
        with open_lake(tmp_path / "lake") as lake:
            looks = [lake.verify()]
            while len(looks) < 8 or (looks[-1].events == looks[0].events and thread.is_alive()):
                looks.append(lake.verify())
    finally:
        done.set()
        thread.join()
    assert not any(look.findings for look in looks)
    assert looks[-1].events > looks[0].events


def test_a_crash_before_open_sql_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a crash came between a commit and open.sql, opening the lake brings it up to date."""
    file = tmp_path / "a.jsonl"
    for n in (1, 2):
        file.write_text(lines(*(event(k) for k in range(1, n + 1))))
        with monkeypatch.context() as patch:
            patch.setattr(Store, "write_script", lambda self: None)
            with open_lake(tmp_path / "lake") as lake:
                lake.ingest([file], job_id=JOB)
                assert lake._store.script_version() != n
        assert verified(tmp_path / "lake").findings == []
    script = tmp_path / "lake" / "open.sql"
    script.write_text(script.read_text()[:5000])
    assert verified(tmp_path / "lake").findings == []


def test_the_last_writer_of_open_sql_is_the_latest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that is overtaken between its commit and open.sql leaves the later commit's."""
    files = [tmp_path / f"{n}.jsonl" for n in (1, 2)]
    for n, file in enumerate(files):
        file.write_text(lines(event(n)))
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "lake") as rival:
        named = lake._store.files

        def late() -> Any:
            found = named()
            monkeypatch.setattr(lake._store, "files", named)
            rival.ingest([files[1]], job_id=JOB)
            return found

        monkeypatch.setattr(lake._store, "files", late)
        lake.ingest([files[0]], job_id=JOB)
        assert lake.verify().findings == []
        assert lake._store.script_version() == 2


@pytest.mark.parametrize("folder", ["events", "tmp", "variants", "ledger"])
def test_a_missing_folder(tmp_path: Path, folder: str) -> None:
    """Where a folder is gone the segments in it are told; one that was empty is made anew."""
    with open_lake(tmp_path / "lake") as lake:
        dump(tmp_path / "a.jsonl", events(JOB))
        lake.ingest([tmp_path / "a.jsonl"])
    shutil.rmtree(tmp_path / "lake" / folder)
    with open_lake(tmp_path / "lake", create=False) as lake:
        told = {finding.rule for finding in lake.verify().findings}
    assert bool(told) == (folder in ("events", "ledger")), told


def test_a_compaction_meanwhile_is_no_damage(tmp_path: Path) -> None:
    """Files that go, as they were replaced, while they are looked at are not told to be lost."""
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "lake") as other:
        for number in range(3):
            dump = tmp_path / f"{number}.jsonl"
            dump.write_text(json.dumps(event(number)))
            lake.ingest(dump, job_id=JOB)
        with pytest.raises(LakeError, match=r"`tunelog compact` deleted .* meanwhile: repeat"):
            lake.verify(progress=lambda *_: other.compact(keep_hours=0))
        assert not lake.verify().findings
