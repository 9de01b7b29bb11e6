"""`tunelog archive verify` proves, or names what is missing; the next run mends it."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from keeping import A, B, assert_equal, faults, lines, run, small
from server import NOW, Api, an_event, serving

from pipeline.archive.manifest import NAME, encode
from pipeline.archive.verify import verify
from pipeline.errors import UsageError
from pipeline.zstd import zstd


@pytest.fixture
def api() -> Any:
    """The small account, served."""
    with serving(small()) as api:
        yield api


@pytest.fixture
def out(api: Api, tmp_path: Path) -> Path:
    """An archive of it, that is proven to be complete."""
    run(api, tmp_path / "a")
    assert faults(tmp_path / "a") == []
    return tmp_path / "a"


def path_of(out: Path, kind: str) -> Path:
    """The file of the first line of a kind."""
    return out / next(line["path"] for line in lines(out) if line["kind"] == kind)


def lose_line(out: Path, gone: Callable[[dict[str, Any]], bool]) -> None:
    """Take the first such line out of the manifest."""
    raws = (out / NAME).read_bytes().splitlines(keepends=True)
    (place, *_) = (n for n, raw in enumerate(raws) if gone(json.loads(raw)))
    del raws[place]
    (out / NAME).write_bytes(b"".join(raws))


@pytest.mark.parametrize("kind", ["jobs", "events", "checkpoints", "file", "content"])
def test_a_missing_file_is_found_and_fetched_again(api: Api, out: Path, kind: str) -> None:
    """A body that is gone is a fault by name; another run brings it."""
    path = path_of(out, kind)
    path.unlink()
    found = faults(out)
    assert ("bytes_are_as_fetched", path.relative_to(out).as_posix()) in {
        (fault.rule, fault.place) for fault in found
    }
    report = run(api, out)
    assert report.mended == 1
    assert_equal(out, api)


@pytest.mark.parametrize("kind", ["jobs", "events", "checkpoints", "file", "content"])
def test_a_flipped_byte_is_found(api: Api, out: Path, kind: str) -> None:
    """A changed byte anywhere in a body is a fault; what the advice says mends it."""
    path = path_of(out, kind)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    assert "bytes_are_as_fetched" in {fault.rule for fault in faults(out)}
    path.unlink()
    run(api, out)
    assert_equal(out, api)


@pytest.mark.parametrize("kind", ["jobs", "events", "checkpoints", "file", "content"])
@pytest.mark.parametrize("last", [False, True])
def test_a_lost_line_is_found(api: Api, out: Path, kind: str, last: bool) -> None:
    """A line that is gone, the last one too, is a fault; another run makes the archive whole."""
    if last:
        raws = (out / NAME).read_bytes().splitlines(keepends=True)
        (out / NAME).write_bytes(b"".join(raws[:-1]))
    else:
        lose_line(out, lambda line: line["kind"] == kind)
    assert {"manifest_is_whole", "files_are_named"} & {fault.rule for fault in faults(out)}
    run(api, out)
    assert_equal(out, api)


def test_a_changed_line_is_found(api: Api, out: Path) -> None:
    """A line that says something else than the page is a fault of both."""
    text = (out / NAME).read_text()
    (out / NAME).write_text(text.replace('"has_more":true', '"has_more":false', 1))
    assert {"manifest_is_whole"} <= {fault.rule for fault in faults(out)}


@pytest.mark.parametrize("name", ["bytes", "sha256", "stored"])
def test_lines_that_name_one_file_must_agree(api: Api, out: Path, name: str) -> None:
    """The last line, which no other line proves, may tell again of a file that is there."""
    said = [{k: v for k, v in line.items() if k != "prev"} for line in lines(out)]
    again = next(line for line in said if line["kind"] == "content")
    (out / NAME).write_bytes(encode([*said, again], "")[0])
    assert faults(out) == []
    changed = again | {name: "0" * 64 if name == "sha256" else again[name] + 1}
    (out / NAME).write_bytes(encode([*said, changed], "")[0])
    assert {"manifest_is_whole"} == {fault.rule for fault in faults(out)}


@pytest.mark.parametrize(
    "change", [{"has_more": False}, {"last": "ftevent-x"}, {"first": "ftevent-x"}, {"count": 2}]
)
def test_a_page_must_be_what_its_line_says(api: Api, out: Path, change: dict[str, Any]) -> None:
    """A manifest that is whole, but says of a page what the page does not say, proves nothing."""
    said = [{k: v for k, v in line.items() if k != "prev"} for line in lines(out)]
    next(line for line in said if line["kind"] == "events" and line["has_more"]).update(change)
    (out / NAME).write_bytes(encode(said, "")[0])
    assert {"pages_are_as_told", "events_are_complete"} <= {fault.rule for fault in faults(out)}


def test_pages_must_follow_one_another(api: Api, out: Path) -> None:
    """A page that is left out of a manifest that is whole otherwise is a gap."""
    said = [{k: v for k, v in line.items() if k != "prev"} for line in lines(out)]
    middle = next(line for line in said if line["kind"] == "events" and line["page"] == 1)
    (out / NAME).write_bytes(encode([line for line in said if line is not middle], "")[0])
    assert {"files_are_named", "events_are_complete"} == {fault.rule for fault in faults(out)}


@pytest.mark.parametrize("kind", ["jobs", "events", "checkpoints", "file", "content"])
@pytest.mark.parametrize("last", [False, True])
def test_a_changed_line_is_mended(api: Api, out: Path, kind: str, last: bool) -> None:
    """Whatever byte of a line is changed: verify tells it, the advice makes the archive whole."""
    raws = (out / NAME).read_bytes().splitlines(keepends=True)
    if last:
        raws = raws[: 1 + max(n for n, raw in enumerate(raws) if json.loads(raw)["kind"] == kind)]
        (out / NAME).write_bytes(b"".join(raws))
        run(api, out)
        assert_equal(out, api)
        raws = (out / NAME).read_bytes().splitlines(keepends=True)
    draws = random.Random(kind)
    (place, *_) = (n for n, raw in enumerate(raws) if json.loads(raw)["kind"] == kind)
    for _ in range(8):
        raw = bytearray(raws[place])
        raw[draws.randrange(len(raw) - 1)] ^= 1 << draws.randrange(6)
        (out / NAME).write_bytes(b"".join([*raws[:place], raw, *raws[place + 1 :]]))
        assert "manifest_is_whole" in {fault.rule for fault in faults(out)}, raw
        run(api, out)
        for fault in faults(out):  # the file that a line is about may have another name now
            if fault.place.startswith("raw/"):
                (out / fault.place).unlink(missing_ok=True)
        run(api, out)
        assert_equal(out, api)


def test_a_content_must_be_as_long_as_its_file_object_says(api: Api, out: Path) -> None:
    """A short file that an archive took for whole is a fault; what the advice says mends it."""
    from pipeline.archive.layout import named

    said = [{k: v for k, v in line.items() if k != "prev"} for line in lines(out)]
    line = next(
        line for line in said if line.get("file") == "file-aaa" and line["kind"] == "content"
    )
    (out / line["path"]).unlink()
    line["path"], line["sha256"] = named(short := b"step,tr", f"{A}/result-file-aaa", ".csv")
    (out / line["path"]).write_bytes(packed := zstd.compress(short))
    line.update(bytes=len(short), stored=len(packed))
    (out / NAME).write_bytes(encode(said, "")[0])
    (fault,) = faults(out)
    assert (fault.rule, fault.place) == ("result_files_are_whole", line["path"])
    assert "7 bytes" in fault.problem and f"remove {line['path']}" in fault.advice
    (out / line["path"]).unlink()
    run(api, out)
    assert_equal(out, api)


@pytest.mark.parametrize("raw", [True, False])
def test_a_manifest_without_jobs_proves_nothing(api: Api, out: Path, raw: bool) -> None:
    """An empty manifest, or one that was only begun, is told, and what to do; another run mends."""
    if not raw:
        shutil.rmtree(out / "raw")
    for left in (b"", b'{"kind":"jo', encode([{"kind": "mend", "breaks": [], "lost": []}], "")[0]):
        (out / NAME).write_bytes(left)
        assert ("jobs_are_listed", "jobs") in {(fault.rule, fault.place) for fault in faults(out)}
    run(api, out)
    assert_equal(out, api)


def test_an_account_without_jobs_is_complete(tmp_path: Path) -> None:
    """A list that is there, and names none, is whole."""
    with serving(Api()) as api:
        run(api, tmp_path / "none")
    assert faults(tmp_path / "none") == [] and verify(tmp_path / "none").whole


def test_a_list_that_was_broken_off_proves_nothing(api: Api, out: Path, tmp_path: Path) -> None:
    """Neither --since nor watch makes up for a list of all jobs that did not reach its end."""
    other = tmp_path / "b"
    route = api._route
    api._route = lambda p, q: (  # type: ignore[method-assign]
        (500, b"") if p[-1] == "jobs" and "after" in q else route(p, q)
    )
    api.cap = 1
    assert run(api, other, retries=0).failed
    assert "jobs_are_listed" in {fault.rule for fault in faults(other)}
    api._route = route  # type: ignore[method-assign]
    for job in api.jobs[:2]:
        job["created_at"] -= 1_000
    run(api, other, since=NOW - 90_000)
    assert "jobs_are_listed" in {fault.rule for fault in faults(other)}
    run(api, tmp_path / "c", since=NOW - 90_000)
    assert faults(tmp_path / "c") == [] and not verify(tmp_path / "c").whole
    run(api, other)
    assert faults(other) == [] and verify(other).whole


def test_a_torn_last_line_is_found_and_dropped(api: Api, out: Path) -> None:
    """A power cut in the middle of a line costs no more than that line."""
    whole = (out / NAME).read_bytes()
    (out / NAME).write_bytes(whole[:-20])
    assert "manifest_is_whole" in {fault.rule for fault in faults(out)}
    run(api, out)
    assert_equal(out, api)


def test_nothing_is_deleted_when_the_manifest_is_lost(api: Api, out: Path) -> None:
    """Without its manifest every whole body stays, even if the server has it no more."""
    had = {path.name for path in (out / "raw").rglob("*.zst")}
    (out / NAME).unlink()
    (out / "raw" / A / "events-torn-000000000000.json.zst").write_bytes(b"\x28\xb5\x2f\xfd")
    jobs, api.jobs = api.jobs, []
    run(api, out)
    assert had <= (kept := {path.name for path in (out / "raw").rglob("*.zst")})
    assert "events-torn-000000000000.json.zst" not in kept and faults(out) == []
    api.jobs = jobs
    run(api, out)
    assert_equal(out, api)


FOREIGN = {
    "a dataset's manifest": {
        "manifest.jsonl": b'{"audio": "a.wav"}\n{"kind": "events"}\n{"audio": "b.wav"}',
        "raw/shard0.jsonl.zst": zstd.compress(b"shard"),
    },
    "one line without an end": {"manifest.jsonl": b'{"kind":"audio","path":"a.wav"}'},
    "a lock": {".lock": b"", "thesis.txt": b"mine"},
    "a lock that says whose": {".lock": b"4711"},
    "bodies of another": {".lock": b"", "raw/precious.zst": zstd.compress(b"precious")},
    "a new manifest beside another's files": {"manifest.jsonl": b"", "raw/a/b.zst": b"\x28\xb5"},
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_folder_of_another_is_left_as_it_is(api: Api, tmp_path: Path, kind: str) -> None:
    """What does not say that it is an archive is refused by name, before anything is touched."""
    folder = tmp_path / "mine"
    for name, content in FOREIGN[kind].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    had = {path: path.is_dir() or path.read_bytes() for path in folder.rglob("*")}
    for call in (run, lambda api, out: verify(out)):
        with pytest.raises(UsageError, match=str(folder)) as caught:
            call(api, folder)
        assert "\n" not in str(caught.value)
    assert {path: path.is_dir() or path.read_bytes() for path in folder.rglob("*")} == had


@pytest.mark.parametrize("left", [b"", b'{"ki', b'{"kind":"jobs","walk":1,"fi', b"\0" * 40])
def test_an_archive_that_was_just_begun_goes_on(api: Api, tmp_path: Path, left: bytes) -> None:
    """A kill leaves a lock, empty folders, half a body, half a line: all of it is an archive."""
    out = tmp_path / "a"
    (out / "raw" / "jobs").mkdir(parents=True)
    run(api, out)
    assert_equal(out, api)
    torn = out / "raw" / "jobs" / "jobs-000000000000.json.zst"
    torn.write_bytes(b"\x28\xb5\x2f\xfd")
    (out / NAME).write_bytes(left)
    run(api, out)
    assert not torn.exists()
    assert_equal(out, api)


def test_files_of_others_in_an_archive_stay(api: Api, out: Path) -> None:
    """Notes, copies under another name, a body with other content: no run deletes them."""
    body = path_of(out, "events")
    copy = out / "raw" / "mybackup.zst"
    shutil.copy(body, copy)
    (out / "raw" / "notes.zst").write_bytes(zstd.compress(b"my notes"))
    (out / "raw" / A / "x.txt").write_text("mine")
    assert verify(out).strangers == [f"raw/{A}/x.txt", "raw/mybackup.zst", "raw/notes.zst"]
    other = body.with_name("events-empty-0123456789ab.json.zst")
    shutil.copy(body, other)
    had = {path: path.read_bytes() for path in (out / "raw").rglob("*") if path.is_file()}
    run(api, out)
    assert {path: path.read_bytes() for path in had} == had
    (fault,) = faults(out)
    assert fault.place == other.relative_to(out).as_posix() and "move it" in fault.advice
    other.unlink()
    assert_equal(out, api)


def test_a_job_that_ended_since_is_a_fault(api: Api, out: Path) -> None:
    """A run that only listed a job's end leaves a fault: its last events were not fetched."""
    from keeping import account

    from pipeline.archive.run import job_facts
    from pipeline.archive.store import Store

    api.events[B].append(an_event(B, 50, NOW - 4_500))
    with account(api) as found, Store(out) as store:
        job_facts(store, found, B)
    assert {fault.place for fault in faults(out)} == {B}
    api.finish(B)
    with account(api) as found, Store(out) as store:
        job_facts(store, found, B)
    assert {fault.rule for fault in faults(out)} == {
        "events_are_complete",
        "checkpoints_are_complete",
    }
    run(api, out)
    assert_equal(out, api)


def test_two_runs_at_once_are_refused(api: Api, out: Path) -> None:
    """One process writes an archive; the other is told."""
    from pipeline.archive.store import Store
    from pipeline.errors import LakeError

    with Store(out), pytest.raises(LakeError, match="another process"):
        Store(out)
    (out.parent / "other").mkdir()
    (out.parent / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="something else"):
        Store(out.parent / "other")
