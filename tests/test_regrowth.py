"""A file that was read cut off and later whole takes the place of its earlier self."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from dumps import before_commit
from engine import asked
from hypothesis import given
from hypothesis import strategies as st
from strategies import START, examples
from test_laws import sound, workplace
from whose import A, B, azure, azure_job, ids, job_events, jobs, lines, page, put

from pipeline import open_lake
from pipeline.errors import LakeError
from pipeline.lake import growth
from pipeline.lake.lake import Lake
from pipeline.lake.segments import rejects_without
from pipeline.zstd import zstd

WHOLE = job_events(A, 9)
WHOLE[5]["data"] = {"step": 5, "train_loss": 0.5}
NAMELESS = job_events(A, 9, created=False)
LEGACY = [
    {"object": "fine-tune-event", "created_at": START, "level": "info", "message": "waiting"},
] * 4
RESULTS = "step,train_loss,valid_loss\n" + "".join(f"{n},0.{n}25,\n" for n in range(1, 30))
OBJECT = {"object": "fine_tuning.job", "id": A, "status": "running", "model": "m"}


def zst(text: str) -> bytes:
    """Text as zstd, in several frames."""
    parts = [text[n : n + 400].encode() for n in range(0, len(text), 400)]
    return b"".join(map(zstd.compress, parts))


FORMS: dict[str, tuple[str, bytes]] = {
    "page": ("x.json", json.dumps(page(WHOLE)).encode()),
    "indented": ("x.json", json.dumps(page(WHOLE), indent=1).encode()),
    "nameless page": ("x.json", json.dumps(page(NAMELESS)).encode()),
    "times as ids": ("x.json", json.dumps(page(azure(job_events(A, 9), metrics=True))).encode()),
    "named page": (f"{A}.json", json.dumps(page(NAMELESS)).encode()),
    "array": ("x.json", json.dumps(WHOLE).encode()),
    "pages": ("x.json", "\n".join(json.dumps(page(e)) for e in (WHOLE, job_events(B))).encode()),
    "beside": ("x.json", json.dumps({"events": NAMELESS, "job": OBJECT}).encode()),
    "gzip": ("x.jsonl.gz", gzip.compress(lines(WHOLE).encode(), mtime=0)),
    "newest first": ("x.jsonl.gz", gzip.compress(lines(WHOLE[::-1]).encode(), 0, mtime=0)),
    "zstd": ("x.jsonl.zst", zst(lines([*WHOLE, *job_events(B, start=START + 50)]))),
    "without ids": (f"{A}.jsonl.zst", zst(lines(LEGACY + WHOLE[1:]))),
    "results": (f"{A}.csv", RESULTS.encode()),
    "zipped results": (f"{A}.csv.gz", gzip.compress(RESULTS.encode(), mtime=0)),
    "jobs, newest first": (  # one ends in the second in which the next begins
        "x.jsonl",
        lines([*job_events(B, 9, start=START + 3)[::-1], *job_events(A, 4)[::-1]]).encode(),
    ),
    "lines, a page below another job": (
        "x.jsonl",
        lines([*job_events(B, 4, start=START + 3), *job_events(A, 6)[::-1]]).encode(),
    ),
    "lines joined without a break": (
        "x.jsonl",
        (lines(WHOLE)[:-1] + lines(job_events(B, start=START + 50))).encode(),
    ),
    "lines, named late": ("x.jsonl", lines([*NAMELESS[::-1], *WHOLE[:1]]).encode()),
    "another's name": (f"{B}.jsonl", lines(WHOLE[::-1]).encode()),
}
ASKED = {
    "events": "select * from lake_events order by all",
    "companions": "select * from lake_companions order by all",
    "rejects": "select * exclude (first_seen_at) from lake_rejects order by all",
    "variants": "select * exclude (first_seen_at) from lake_variants order by all",
    "sources": "select * exclude (commit_id, ingested_at) from lake_sources order by all",
    "streams": "select * from lake_streams order by all",
}


def answers(lake: Lake) -> dict[str, list[Any]]:
    """All that a lake holds, but for when it was read."""
    return {name: asked(lake).execute(query).fetchall() for name, query in ASKED.items()}


@pytest.mark.parametrize("form", FORMS)
def test_cut_off_and_then_whole(tmp_path: Path, form: str) -> None:
    """A file read cut off, less so and then whole gives what it gives when it is read whole."""
    name, content = FORMS[form]
    path, held = tmp_path / name, 0
    with open_lake(tmp_path / "grown") as lake, open_lake(tmp_path / "whole") as whole:
        for share in (0.45, 0.97, 1):
            path.write_bytes(content[: int(len(content) * share)])
            (source,) = lake.ingest([path]).sources
            assert source.status == ("new" if share == 0.45 else "grown"), source.problem
            held += source.events
        whole.ingest([path])
        sound(lake)
        wanted = answers(whole)
        assert answers(lake) == wanted
        assert held == len(wanted["events"])
        assert lake.ingest([path]).sources[0].status == "known"


OTHERS = {
    "part": lines(WHOLE[2:6]),
    "other content": lines([{**event, "data": {"step": 1}} for event in NAMELESS[3:7]]),
    "less content": lines([{**event, "message": ""} for event in WHOLE[2:8]]),
    "named": lines([{"object": "fine_tuning.job", "id": A}, *NAMELESS[4:]]),
}
AFTERWARDS = (
    "select job_id, event_id, message, data from lake_events order by all",
    "select job_id, event_id, event from lake_variants order by all",
    "select job_id, kind, content from lake_companions order by all",
    "select reason, raw from lake_rejects order by all",
)


@examples(4)
@given(
    form=st.sampled_from(sorted(FORMS)),
    cuts=st.lists(st.floats(0.4, 0.99), min_size=1, max_size=3, unique=True).map(sorted),
    others=st.lists(st.sampled_from(sorted(OTHERS)), unique=True, max_size=3),
    seed=st.randoms(use_true_random=False),
)
def test_growth_needs_no_order(form: str, cuts: list[float], others: list[str], seed: Any) -> None:
    """Whatever else arrives while a file grows, the lake is what the whole file makes of it."""
    name, content = FORMS[form]
    sizes = [*dict.fromkeys(int(len(content) * cut) for cut in cuts), len(content)]
    with workplace() as folder:
        path = folder / name
        arriving: list[Any] = [put(folder / f"{n}.jsonl", OTHERS[n]) for n in others]
        arriving += [None] * len(sizes)
        seed.shuffle(arriving)
        found = []
        for grows in (True, False):
            left = iter(sizes)
            with open_lake(folder / f"lake {grows}") as lake:
                for other in arriving:
                    if other is None:
                        path.write_bytes(content[: next(left)] if grows else content)
                    lake.ingest([other or path])
                if grows:
                    sound(lake)
                assert len(lake.view("sources")) == 1 + len(others)
                found.append([asked(lake).sql(query).fetchall() for query in AFTERWARDS])
        assert found[0] == found[1]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_grown_by_the_end_of_its_last_line(tmp_path: Path, end: str) -> None:
    """A file that is ended properly, and no more, brings nothing and is known from then on."""
    path = tmp_path / "x.jsonl"
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(path, lines(WHOLE).removesuffix("\n"))])
        (source,) = lake.ingest([put(path, lines(WHOLE).removesuffix("\n") + end)]).sources
        assert (source.status, source.records) == ("grown", end.count("\n") - 1)
        assert jobs(lake) == {A: sorted(event["id"] for event in WHOLE)}
        assert lake.ingest([path]).sources[0].status == "known"


@pytest.mark.parametrize("before", [False, True], ids=["a new copy", "a copy of before"])
def test_grown_with_its_copy(tmp_path: Path, before: bool) -> None:
    """Of a file and its copy that grew, or came, in one go one is read, and the lake is whole."""
    log, copy = tmp_path / "log.jsonl", tmp_path / "my-copy.jsonl"
    with open_lake(tmp_path / "lake") as lake:
        for path in (log, copy) if before else (log,):
            put(path, lines(WHOLE[:5]))
        lake.ingest([tmp_path / "*.jsonl"])
        for path in (log, copy):
            put(path, lines(WHOLE))
        report = lake.ingest([tmp_path / "*.jsonl"])
        assert [source.status for source in report.sources] == ["grown", "known"]
        assert len(lake.view("sources")) == 1 and lake.verify().findings == []


def grown(lake: Lake, path: Path, content: bytes, share: float = 0.6) -> None:
    """Ingest the beginning of a file, and put all of it in its place."""
    path.write_bytes(content[: int(len(content) * share)])
    lake.ingest([path])
    path.write_bytes(content)


@pytest.mark.parametrize("form", ["nameless page", "page", "newest first"])
def test_what_was_assigned_stays_so(tmp_path: Path, form: str) -> None:
    """The whole of a file belongs to the job that its beginning was assigned to."""
    name, content = FORMS[form]
    with open_lake(tmp_path / "lake") as lake:
        grown(lake, tmp_path / name, content)
        lake.assign(str(tmp_path / name), B)
        assert lake.ingest([tmp_path / name]).sources[0].status == "grown"
        assert {job: len(found) for job, found in jobs(lake).items()} == {B: 9}
        assert lake.sql("select job_id, told_by from lake_streams").rows() == [(B, "assigned")]
        assert len(lake.view("sources")) == 1 and lake.view("rejects").is_empty()


def test_variants_come_again(tmp_path: Path) -> None:
    """A content that lost, first seen in a file's earlier self, is a variant of the whole."""
    path = tmp_path / "x.json"
    less = {**WHOLE[3], "data": {}, "message": "less"}
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "other.jsonl", lines([WHOLE[0], {**less, "data": {"a": 1}}]))])
        grown(lake, path, json.dumps([WHOLE[0], less, *WHOLE[4:]]).encode())
        (before,) = lake.view("variants")["source_id"]
        assert lake.ingest([path]).sources[0].status == "grown"
        (after,) = lake.view("variants")["source_id"]
        assert before != after and after in lake.view("sources")["source_id"]
        sound(lake)


def test_what_is_still_damaged(tmp_path: Path) -> None:
    """Of a file that is longer and still cut off, only the present damage is told."""
    name, content = FORMS["zstd"]
    with open_lake(tmp_path / "lake") as lake:
        grown(lake, tmp_path / name, content[: len(content) * 9 // 10])
        (source,) = lake.ingest([tmp_path / name]).sources
        assert source.rejects["corrupt_compression"] == 1 and not source.kept_rejects
        assert lake.view("rejects")["reason"].to_list().count("corrupt_compression") == 1
        assert lake.view("sources")["rejects"].sum() == sum(source.rejects.values())
        sound(lake)


def test_what_does_not_come_again_stays(tmp_path: Path) -> None:
    """An earlier self that held what the whole file lets go stays beside it: no event is lost."""
    long = [WHOLE[0], {**WHOLE[1], "message": "m" * 2_000}, *WHOLE[2:]]
    path, content = tmp_path / "x.json", json.dumps(long).encode()
    with open_lake(tmp_path / "lake") as lake:
        grown(lake, path, content, 0.9)
        (source,) = lake.ingest([path], max_record_bytes=1_000).sources
        assert (source.status, source.rejects) == ("new", {"too_large": 1})
        assert len(lake.view("sources")) == 2 and len(jobs(lake)[A]) == 9


@pytest.mark.parametrize("named", ["before", "together"])
def test_result_files_of_job_objects(tmp_path: Path, named: str) -> None:
    """A result file whose job an object names takes its place too, a row cut in two included."""
    path = tmp_path / "file-abcdef123.csv"
    told = put(tmp_path / "job.json", {**OBJECT, "result_files": [path.stem]})
    text = "step,train_loss\n" + "".join(f"{n},0.{n}25\n" for n in range(1, 30))
    rows = "select content from lake_companions where kind = 'result' order by position"
    with open_lake(tmp_path / "lake") as lake:
        path.write_text(text[: text.index("9,0.925") + 6])
        lake.ingest([told, path])
        assert json.loads(lake.sql(rows)["content"][-1])["train_loss"] == 0.92
        path.write_text(text)
        source, *_ = lake.ingest([path] if named == "before" else [path, told]).sources
        assert (source.status, source.companions) == ("grown", {"result": 21})
        found = [json.loads(content)["train_loss"] for content in lake.sql(rows)["content"]]
        assert found == [float(f"0.{n}25") for n in range(1, 30)]
        sound(lake)


@pytest.mark.parametrize("further", [False, True])
def test_replaced_meanwhile(tmp_path: Path, further: bool) -> None:
    """A whole that another process commits first is known; another growth of it is told."""
    path = tmp_path / "x.json"
    text = json.dumps(page(WHOLE)).encode()
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "lake") as rival:
        grown(lake, path, text)

        def rivalled() -> None:
            path.write_bytes(text + b"\n" * further)
            rival.ingest([path])

        before_commit(lake, rivalled)
        if further:
            with pytest.raises(LakeError, match="read on in it meanwhile: ingest it again"):
                lake.ingest([path])
        else:
            assert lake.ingest([path]).sources[0].status == "known"
        assert lake.ingest([path]).sources[0].status == "known"
        assert len(lake.view("sources")) == 1 and len(jobs(lake)[A]) == 9


@pytest.mark.parametrize("name", ["x.jsonl", "x.json"])
def test_a_path_has_several_spellings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A file that grew is found by any spelling of its path, and goes by the last one."""
    monkeypatch.chdir(tmp_path)
    path = put(tmp_path / "d" / name, "")
    content = (lines(WHOLE) if name == "x.jsonl" else json.dumps(WHOLE)).encode()
    shares = (0.4, 0.5, 0.6, 0.7, 0.8, 1)
    with open_lake(tmp_path / "lake") as lake:
        for share, called in zip(
            shares, ["d", "./d", f"d/{name}", path, "d", f"./d/../d/{name}"], strict=True
        ):
            path.write_bytes(content[: int(len(content) * share)])
            (source,) = lake.ingest([called]).sources
            assert source.status == ("grown" if share > 0.4 else "new"), called
            assert lake.view("sources")["path"].to_list() == [source.path]
        assert len(lake.view("sources")) == 1 and lake.view("rejects").is_empty()


def test_growth_without_a_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the working folder is gone, a path is what it was given as."""
    (tmp_path / "gone").mkdir()
    with open_lake(tmp_path / "lake") as lake:
        grown(lake, tmp_path / "x.json", json.dumps(WHOLE).encode())
        monkeypatch.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        assert lake.ingest([tmp_path / "x.json"]).sources[0].status == "grown"


def test_variants_of_a_nameless_half_get_its_name(tmp_path: Path) -> None:
    """What lost to another content in a half without a name is of the job that the whole names.

    So is what came from another file, and was the half's as it begins alike.
    """
    events = azure(job_events(A, 9), metrics=True)[::-1]
    events.insert(3, {**events[2], "message": "Other"})
    halves = zst(lines(events[:5])), zst(lines(events[5:]))
    path, other = tmp_path / "x.jsonl.zst", put(tmp_path / "y.jsonl", lines(events[:5]))
    with open_lake(tmp_path / "lake") as lake:
        path.write_bytes(halves[0])
        lake.ingest([path, other])
        path.write_bytes(b"".join(halves))
        lake.ingest([path])
        assert jobs(lake).keys() == {A}
        assert asked(lake).sql("select job_id from lake_variants").fetchall() == [(A,)]
        assert len(lake.view("sources")) == 2
        assert set(lake.sql("select job_id from lake_streams")["job_id"]) == {A}


@pytest.mark.parametrize(
    "order",
    [["half", "own", "whole"], ["own", "half", "whole"], ["half", "whole own"]],
    ids=["between", "before", "with the whole"],
)
def test_what_lost_to_events_that_go_elsewhere(tmp_path: Path, order: list[str]) -> None:
    """Where the whole tells of another job, nothing of a job's own dump loses to the first half."""
    path, other = tmp_path / "log.jsonl", {**WHOLE[6], "data": {"step": 6}}
    older = job_events(B, 3, start=START - 1_000, created=False)
    halves = {"half": lines([*WHOLE, other]), "whole": lines([*WHOLE, other, *older])}
    told = [{**WHOLE[2], "data": {"step": 1}}, {**WHOLE[5], "data": {}}]
    own = put(tmp_path / f"{A}.jsonl", lines(told))
    path.write_text(halves["whole"])
    found = []
    for steps in (["whole own"], order):
        with open_lake(tmp_path / " ".join(steps)) as lake:
            for step in steps:
                named = step.split()
                path.write_text(halves.get(named[0], path.read_text()))
                lake.ingest([own if name == "own" else path for name in named])
            sound(lake)
            assert len(lake.view("sources")) == 2
            found.append([asked(lake).sql(query).fetchall() for query in AFTERWARDS])
            assert len(jobs(lake)[A]) == 3
    assert found[0] == found[1]


def test_a_half_of_two_jobs_draws_nobody_along(tmp_path: Path) -> None:
    """Where only the whole tells two jobs apart, a dump of one is not the other's."""
    older, later = job_events(B, 4, created=False), job_events(A, start=START + 1_000)
    log = tmp_path / "log.jsonl"
    log.write_text(lines([*older[::-1], *later[:0:-1]]))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([log, put(tmp_path / "older.jsonl", lines(older))])
        assert len(jobs(lake)) == 1
        with log.open("a") as file:
            file.write(lines(later[:1]))
        lake.ingest([log])
        assert {job[:12]: len(found) for job, found in jobs(lake).items()} == {
            A[:12]: 5, "unattributed": 4
        }  # fmt: skip


def test_what_leaves_a_nameless_job_as_it_gets_another_name(tmp_path: Path) -> None:
    """Of a nameless half that falls into two jobs, each event is of one of them."""
    tails = [job_events(j, 9, start=START + n, created=False) for j, n in ((A, 1_000), (B, 0))]
    for tail in tails:
        tail[-1]["message"] = "The job has successfully completed"
    rows = [*tails[0], *tails[1]]
    log = tmp_path / "log.jsonl"
    with open_lake(tmp_path / "lake") as lake:
        for count in (12, 18):
            lake.ingest([put(log, lines(rows[:count]))])
            found = jobs(lake).values()
            assert sorted(event for events in found for event in events) == ids(rows[:count])
        assert sorted(found) == sorted(map(ids, tails))


@pytest.mark.parametrize("key", ["a", "z"], ids=["its copies stay", "its copies go"])
def test_a_log_that_gets_its_name_brings_its_last_lines(tmp_path: Path, key: str) -> None:
    """Rows that change their job, and meet copies there, are not counted as read once more."""
    events = azure_job(1, start=START, count=9)
    (tmp_path / f"{A}.jsonl").write_text(lines([*events[:-1], {**events[-1], "m": 1}]))
    log = tmp_path / "log.jsonl"
    log.write_text(lines([{**event, key: 1} for event in events[1:-1]]))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path / f"{A}.jsonl"])
        (first,) = lake.ingest([log]).sources
        assert (first.events, first.duplicates) == (7, 0) and len(lake.view("jobs")) == 2
        with log.open("a") as file:
            file.write(lines([{**events[-1], key: 1}]))
        (grown,) = lake.ingest([log]).sources
        assert (grown.records, grown.events, grown.duplicates) == (1, 0, 1)
        assert len(lake.view("jobs")) == 1 and len(lake.view("events")) == 9
        sound(lake)


def test_rejects_of_other_files_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reject of a line that goes on is looked for without the bytes of all others."""
    bad, log = tmp_path / "bad.jsonl", tmp_path / "log.jsonl"
    bad.write_text("{bad\n" * 9)
    log.write_text(lines(WHOLE[:4])[:-9])
    read: list[Path] = []

    def noted(folder: Path, files: list[Path], goes: Any) -> Any:
        read.extend(files)
        return rejects_without(folder, files, goes)

    with open_lake(tmp_path / "lake") as lake:
        for path in (bad, log):
            lake.ingest([path])
        monkeypatch.setattr(growth, "rejects_without", noted)
        log.write_text(lines(WHOLE))
        lake.ingest([log])
        assert len(read) == 1
        assert lake.view("rejects")["reason"].to_list() == ["malformed_json"] * 9
        sound(lake)
