"""What lies beside events: which of it is kept, and what never is."""

from __future__ import annotations

import base64
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from dumps import A, B, C, a_page, an_event, an_exchange
from hypothesis import example, given
from hypothesis import strategies as st
from strategies_companions import KEY, PLANTED

from pipeline import exact, open_lake
from pipeline.companions import Companion
from pipeline.contract import LAKE_VERSION
from pipeline.forms.results import result_blocks
from pipeline.lake.lake import Lake
from pipeline.lake.store import Store

RESULTS = "step,train_loss,train_accuracy\n1,0.51234,0.5\n2,0.4,\n"


def job(name: str, **fields: Any) -> dict[str, Any]:
    """A job object as the API sends it, with what a tracker left there."""
    return {"object": "fine_tuning.job", "id": name, "status": "running"} | fields | PLANTED


def kinds(lake: Lake) -> list[tuple[str, str]]:
    """What the lake holds beside events."""
    return lake.sql("select job_id, kind from companions order by all").rows()


def places() -> list[list[Any]]:
    """Documents that hold a job object, each with a seed of its own, as dumps have them."""

    def one() -> dict[str, Any]:
        return job(A, seed=len(found))

    found: list[list[Any]] = []
    found.append([one()])
    found.append([{"object": "list", "data": [one(), {"object": "file", "id": "x", "note": KEY}]}])
    found.append([[one()]])
    found.append([an_exchange(A, one())])
    found.append([an_exchange(A, {"object": "list", "data": [one()]})])
    found.append([{"job": one(), "events": a_page(1, 2)}])
    found.append([{"jobs": {"object": "list", "data": [one()]}, "events": a_page(3)}])
    found.append([{"run": {"job": one(), "token": KEY}}])
    found.append([one() | {"events": a_page(5)["data"]}])
    found.append([[one() | {"events": a_page(6)}]])
    found.append([{"object": "list", "data": [one() | {"events": a_page(7)}]}])
    found.append([an_exchange(A, one() | {"events": a_page(8)["data"]})])
    found.append([{"jobs": {A: one()}, "events": {A: a_page(9)["data"]}}])
    found.append([{"account": {"fetched": [{"job": one()}]}, "events": a_page(10)}])
    found.append([{"jobs": [{"raw": one()}], "events": a_page(11)}])
    found.append([{"response": {"body": json.dumps(one())}, "events": a_page(12)}])
    found.append([[an_exchange(A, one()), an_exchange(A, a_page(4))]])
    return found


def test_wherever_it_lies(tmp_path: Path) -> None:
    """A job object is found wherever dumps have it, and no unknown field of it is anywhere."""
    for number, documents in enumerate(places()):
        for indent in (None, 2):
            dump = tmp_path / "dumps" / f"{number}-{indent}.json"
            dump.parent.mkdir(exist_ok=True)
            dump.write_text("\n".join(json.dumps(value, indent=indent) for value in documents))
    with open_lake(tmp_path / "lake") as lake:
        report = lake.ingest([tmp_path / "dumps"])
        assert (report.reject_count, report.refused) == (0, [])
        found = lake.sql("select json_extract(content, '$.seed')::int from companions order by all")
        assert found.rows() == [(number,) for number in range(len(places()))]
        said = (
            "\n".join(lake.export_events()) + repr(lake.view("jobs").rows()) + repr(report.sources)
        )
        assert KEY not in said
        assert lake.verify().findings == []
    for file in (tmp_path / "lake").rglob("*"):
        if file.is_file():
            assert KEY.encode() not in file.read_bytes()
            if file.suffix == ".parquet":
                assert KEY not in repr(pq.read_table(file).to_pylist())


def test_what_lies_in_a_job_object_is_found_beside_it(tmp_path: Path) -> None:
    """A job saved with its checkpoints and events in it loses none of them, nor itself."""
    made = {"object": "fine_tuning.job.checkpoint", "id": "ftckpt_1", "step_number": 2}
    made |= {"fine_tuning_job_id": A, "metrics": {"full_valid_loss": 0.5}}
    whole = job(A, status="failed", error={"message": "no"})
    kept = {
        "all.json": whole | {"checkpoints": [made], "events": a_page(1, 2)},
        "page.json": whole | {"checkpoints": {"object": "list", "data": [made]}},
        "made.json": made | {"events": a_page(1)["data"]},
    }
    for name, value in kept.items():
        (tmp_path / name).write_text(json.dumps(value))
    with open_lake(tmp_path / "lake-page") as lake:
        lake.ingest([tmp_path / "page.json"])
        assert kinds(lake) == [(A, "checkpoint"), (A, "job")]
    for order in (list(kept), list(kept)[::-1]):
        with open_lake(tmp_path / f"lake-{order[0]}") as lake:
            report = lake.ingest([tmp_path / name for name in order])
            assert report.reject_count == 0
            for source in report.sources:
                told = source.events + source.duplicates + sum(source.companions.values())
                assert source.records == told
            assert kinds(lake) == [(A, "checkpoint"), (A, "job")]
            assert lake.sql("select status, events from jobs").rows() == [("failed", 2)]
            assert lake.sql("select full_valid_loss from checkpoints").rows() == [(0.5,)]
            assert lake.verify().findings == []


def test_an_object_around_one_event_on_a_line(tmp_path: Path) -> None:
    """Written anew without the event, it may be longer than the line was; both are kept."""
    around = {"object": "fine_tuning.job.checkpoint", "id": "ü" * 300, "step_number": 2}
    around |= {"fine_tuning_job_id": A, "metrics": {"full_valid_loss": 0.5}, "name": an_event(1)}
    line = json.dumps(around, ensure_ascii=False, separators=(",", ":"))
    (tmp_path / "x.jsonl").write_text("\n".join([json.dumps(an_event(2)), line]))
    with open_lake(tmp_path / "lake") as lake:
        (source,) = lake.ingest([tmp_path / "x.jsonl"]).sources
        assert (source.events, source.companions, source.rejects) == (2, {"checkpoint": 1}, {})
        assert lake.sql("select full_valid_loss from checkpoints").rows() == [(0.5,)]


@pytest.mark.parametrize(
    "field",
    [
        {"hyperparameters": {"api_key": KEY, "n_epochs": KEY, "batch_size": {"x": KEY}}},
        {"method": {"type": "dpo", "dpo": {"beta": KEY, "hyperparameters": {"beta": [KEY]}}}},
        {"error": {"detail": KEY, "code": {"x": KEY}}},
        {"result_files": [{"id": KEY}], "trained_tokens": KEY, "seed": KEY, "created_at": KEY},
        {"model": {"name": KEY}, "status": {"now": KEY}},
    ],
)
def test_what_is_listed_holds_what_it_should(field: dict[str, Any]) -> None:
    """A listed field with another kind of value, or with more inside, brings none of that."""
    value = {"object": "fine_tuning.job", "id": A, "status": "failed"} | field
    verdict = exact.read(json.dumps(value).encode())
    assert KEY not in repr(verdict)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"object": "fine_tuning.job", "id": A}, "fine_tuning.job"),
        ({"object": "fine_tuning.job", "id": A, "status": None, "note": 1}, "fine_tuning.job"),
        ({"object": "fine_tuning.job", "status": "failed"}, "fine_tuning.job"),
        ({"object": "fine_tuning.job.checkpoint", "id": "c", "step_number": 1},
         "fine_tuning.job.checkpoint"),
        ({"object": "event", "type": "eval.run.failed", "data": {"id": "e"}}, "event"),
    ],
)  # fmt: skip
def test_who_says_nothing_is_ignored(value: dict[str, Any], kind: str) -> None:
    """An object that tells nothing about a job is ignored, under the name it gives itself."""
    assert exact.read(json.dumps(value).encode()) == exact.Ignored(kind)


@pytest.mark.parametrize("packed", ["plain", "base64", "lines of base64", "gz", "base64 gz"])
def test_result_files_in_every_packing(tmp_path: Path, packed: str) -> None:
    """A result file gives the same curve plain, in base64 and compressed."""
    content = ("\ufeff" + RESULTS.replace("\n", "\r\n")).encode()
    if "base64" in packed:
        content = (base64.encodebytes if "lines" in packed else base64.b64encode)(content)
    content = gzip.compress(content) if "gz" in packed else content
    (tmp_path / f"{A}.bin").write_bytes(content)
    with open_lake(tmp_path / "lake") as lake:
        (source,) = lake.ingest([tmp_path / f"{A}.bin"]).sources
        assert (source.records, source.companions) == (2, {"result": 2})
        asked = "select step, train_loss, train_mean_token_accuracy, events from loss_curves"
        assert lake.sql(f"{asked} order by step").rows() == [
            (1, 0.51234, 0.5, 0),
            (2, 0.4, None, 0),
        ]


def test_bad_rows_are_rejects(tmp_path: Path) -> None:
    """A row that is none is a reject with its bytes and place; the rows around it are kept."""
    rows = [b"1,0.5,1", b"x,0.5,1", b"1.5,0.5,1", b"2,0.5", b"3,0.5,n/a", b",1,1", b"4,0x10,1"]
    path = tmp_path / f"{A}.csv"
    path.write_bytes(b"step,train_loss,valid_loss\n" + b"\n".join(rows) + b"\n5,0.25,\n")
    with open_lake(tmp_path / "lake") as lake:
        (source,) = lake.ingest([path]).sources
        assert (source.rejects, source.companions) == ({"bad_row": 6}, {"result": 2})
        found = lake.sql("select raw, byte_offset from lake_rejects order by position").rows()
        assert [raw for raw, _ in found] == rows[1:]
        assert all(path.read_bytes()[at:].startswith(raw) for raw, at in found)
        assert lake.replay_rejects().passed == 0
        assert lake.verify().findings == []


_CELLS = st.sampled_from(
    ["", "1", "-0", "2.50", "1e-5", "1e999", "-1e999", "9007199254740993", ".5", "5.", "+", "1.2.3",
     "e", "\r", "1e16", "00", "-", "0.1"]
)  # fmt: skip
_NUMBERS = _CELLS.filter(lambda cell: cell[:1].isdigit()) | st.sampled_from(["", "-0", "-1e16"])
_ROWS = st.lists(
    st.lists(_CELLS, min_size=1, max_size=4).map(",".join), min_size=1, max_size=9
) | st.lists(st.tuples(_NUMBERS, st.just("12"), _NUMBERS).map(",".join), min_size=1, max_size=9)
"""Rows of any cells, or of three numbers, which are mostly sound."""


_NAMES = st.sampled_from(
    ["step,train_loss,valid_loss", "train_accuracy,step,a\"b", "job_id,train_loss,step",
     "train_accuracy,train_mean_token_accuracy,step", ",step,train_loss"]
)  # fmt: skip


@example("step,train_loss,valid_loss", ["1,1e999,2", "1,2,-1e999"], "\n")
@given(_NAMES, _ROWS, st.sampled_from(["\n", "\r\n"]))
def test_plain_rows_are_read_as_any(names: str, rows: list[str], end: str) -> None:
    """Rows of digits, read many at once, become what they do beside a row with a blank.

    What they tell is what it is when they are read alone.
    """
    found = []
    for last in ("7,7,7", " 7,7,7"):
        text = end.join([names, *rows, last, ""])
        (block,) = result_blocks(io.BytesIO(text.encode()), 1_000)
        found.append([block.raw(index) for index in range(len(block))])
        for raw, told in zip(found[-1], block.told, strict=bool(block.told)):
            if told is not None:
                assert exact.read(raw) == exact.Companions([Companion("result", None, told)])
    assert found[0] == found[1]


@pytest.mark.parametrize("left", ["3,0.71234,0.8", "3,0.71234,0.", "3,0.7,", "3,0", "3,0.71", "3"])
def test_a_result_file_caught_half_written(tmp_path: Path, left: str) -> None:
    """Once it is there whole, no number that broke off stands, whatever the order of arrival."""
    whole, cut = f"{RESULTS}3,0.71234,0.85432\n", f"{RESULTS}{left}"
    curves = []
    for number, texts in enumerate([(whole,), (cut, whole), (whole, cut)]):
        path = tmp_path / f"{A}.csv"
        with open_lake(tmp_path / f"lake-{number}") as lake:
            for text in texts:
                path.write_text(text)
                lake.ingest([path])
            curves.append(lake.sql("from loss_curves order by step").rows())
    assert curves[0] == curves[1] == curves[2]


def test_whose_result_file(tmp_path: Path) -> None:
    """Its job is told by a name, by --job-id, or by the one object that names its file id."""
    loose = tmp_path / "step_metrics.csv"
    named = tmp_path / "results-file-Abcdef123.csv"
    both = tmp_path / "file-OfTwoJobs.csv"
    folder = tmp_path / A / "result.csv"
    folder.parent.mkdir()
    for number, path in enumerate((loose, named, both, folder)):
        path.write_text(RESULTS + f"{number + 3},0.1,\n")
    with open_lake(tmp_path / "lake") as lake:
        report = lake.ingest([loose, named, both, folder])
        assert [s.status for s in report.sources] == ["refused", "refused", "refused", "new"]
        assert all("--job-id" in str(s.problem) for s in report.refused)
        objects = tmp_path / "jobs.json"
        files = {A: ["file-OfTwoJobs"], B: ["file-OfTwoJobs"], C: ["file-Abcdef123"]}
        some = [job(name, result_files=own) for name, own in files.items()]
        objects.write_text(json.dumps({"object": "list", "data": some}))
        lake.ingest([objects])
        statuses = [s.status for s in lake.ingest([named, both]).sources]
        assert statuses == ["new", "refused"]
        assert [s.status for s in lake.ingest([named]).sources] == ["known"]
        assert [s.status for s in lake.ingest([loose], job_id=B).sources] == ["new"]
        told = dict(lake.sql("select job_id, max(step) from loss_curves group by all").rows())
        assert told == {A: 6, B: 3, C: 4}
        assert lake.verify().findings == []
    with open_lake(tmp_path / "together") as lake:  # the object may come last
        assert [s.status for s in lake.ingest([named, objects]).sources] == ["new", "new"]
        assert set(kinds(lake)) == {(A, "job"), (B, "job"), (C, "job"), (C, "result")}


def test_assign_moves_result_rows(tmp_path: Path) -> None:
    """Rows of result files follow their job's events; what its objects say stays with it."""
    (tmp_path / f"{A}.csv").write_text(RESULTS)
    (tmp_path / f"{B}.csv").write_text(RESULTS.rsplit("\n", 2)[0])
    (tmp_path / f"{A}.jsonl").write_text(f"{json.dumps(an_event(1))}\n{json.dumps(job(A))}\n")
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path / f"{A}.csv", tmp_path / f"{B}.csv", tmp_path / f"{A}.jsonl"])
        lake.assign(str(tmp_path / f"{A}.csv"), B, force=True)
        assert kinds(lake) == [(A, "job"), (B, "result"), (B, "result")]
        assert lake.verify().findings == []
        lake.compact(keep_hours=0)
        assert lake.verify().findings == []
        assert kinds(lake) == [(A, "job"), (B, "result"), (B, "result")]


def test_replay_reads_companions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier version rejected and this one knows becomes a companion, once."""
    hook = {"type": "fine_tuning.job.failed", "data": {"id": A}, "created_at": 1_700_000_009}
    dump = tmp_path / f"{A}.jsonl"
    dump.write_text(f"{json.dumps(an_event(1))}\n{json.dumps(hook)}\n")
    with open_lake(tmp_path / "lake") as lake:
        with monkeypatch.context() as patched:
            patched.setattr(exact, "found_in", lambda value: [])
            assert lake.ingest([dump]).reject_count == 1
        assert lake.replay_rejects().passed == 1
        assert kinds(lake) == [(A, "outcome")]
        assert lake.view("jobs")["status"].to_list() == ["failed"]
        assert lake.verify().findings == []


def test_replay_counts_what_only_names_a_job(tmp_path: Path) -> None:
    """Of a page that passes by now, what tells nothing but a job's name is counted as ignored."""
    page = {"object": "list", "data": [job(A), {"object": "fine_tuning.job", "id": B}]}
    dump = tmp_path / f"{A}.jsonl"
    dump.write_text(f"{json.dumps(an_event(1))}\n{json.dumps(page)}\n")
    with open_lake(tmp_path / "lake") as lake:
        assert lake.ingest([dump], max_record_bytes=300).reject_count == 1
        assert lake.replay_rejects().passed == 1
        counts = lake.view("sources").select("records", "events", "companions", "ignored")
        assert counts.rows() == [(3, 1, 1, 1)]
        assert lake.verify().findings == []


def test_an_older_lake_is_brought_up_to_date(tmp_path: Path) -> None:
    """A lake of version 1 opens, answers, verifies, and takes in companions."""
    path = tmp_path / "lake"
    (tmp_path / f"{A}.jsonl").write_text(json.dumps(an_event(1)) + "\n")
    with open_lake(path) as lake:
        lake.ingest([tmp_path / f"{A}.jsonl"])
    age(path)
    with open_lake(path) as lake:
        assert len(lake.view("events")) == 1
        assert lake.view("sources")["companions"].to_list() == [0]
        assert lake.view("companions").is_empty()
        assert lake.verify().findings == []
        (tmp_path / "job.json").write_text(json.dumps(job(A)))
        lake.ingest([tmp_path / "job.json"])
        assert kinds(lake) == [(A, "job")]
        assert lake.verify().findings == []
        assert lake.view("history")["command"].to_list() == ["ingest", "upgrade", "ingest"]


def age(path: Path) -> None:
    """Make a lake what version 1 left behind."""
    store = Store(path, create=False)
    db = store.ledger._db
    lacking = {"sources": ["companions", "seen_commit_id"], "commits": ["last_event_at"]}
    for table, lacks in lacking.items():
        for file in [*store.live(table), store.empty(table)]:
            older = pq.read_table(file).drop_columns(lacks)
            file.chmod(0o600)
            pq.write_table(older, file)
    store.empty("companions").unlink()
    (path / "companions").rmdir()
    db.execute("alter table sources drop column companions")
    db.execute("alter table sources drop column seen_commit_id")
    db.execute("alter table segments drop column speaks")
    db.execute("alter table commits drop column last_event_at")
    db.execute("update meta set value = '1' where key = 'lake_version'")
    assert LAKE_VERSION == 4
    store.ledger.close()
