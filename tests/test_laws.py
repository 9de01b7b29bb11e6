"""The laws of the lake, each for any dumps, through real ingest."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, permutations
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import strategies
from engine import asked
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import Dump, comparable, dumps, examples, job_name, shuffled, weight
from strategies_companions import KEY

from pipeline import open_lake, views
from pipeline.lake.lake import Lake
from pipeline.lake.rules import rules

EXEMPT = {"sources", "rejects", "unattributed_events", "variants", "history"}
PROVENANCE = {"stream_id", "source_id", "position", "offset", "ordinal"}
ALL = [v.name for v in views.catalogue() if v.layer == "marts" and v.name not in EXEMPT]
FEW = ["events", "loss_curves"]
COMPANIONS = {"fine_tuning.job", "fine_tuning.job.checkpoint", "event", "tunelog.result"}
SOME = st.lists(st.sampled_from(ALL), max_size=2, unique=True).map(lambda some: [*FEW, *some])
"""Which views to compare: planning all of them takes longer than all the rest."""
ORDER = "select event_id from events order by job_id, created_at, lifecycle_rank, order_step"
VARIANTS = "select job_id, event_id, content_hash, event from lake_variants order by all"
BROKEN = " union all ".join(
    f"(select '{rule.name}' from ({rule.query.rstrip().removesuffix(';')}) limit 1)"
    for rule in rules()
)
"""The rules that are broken: asked at once, as hundreds of lakes are."""


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for one example."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def written(folder: Path, some: list[Dump]) -> list[Path]:
    """Dumps as files, each in a folder of its own."""
    paths = []
    for number, dump in enumerate(some):
        path = folder / f"{number}" / dump.name
        path.parent.mkdir(parents=True)
        path.write_bytes(dump.content())
        paths.append(path)
    return paths


def lake_of(folder: Path, some: list[Dump], *, one_by_one: bool = False) -> Lake:
    """A lake that holds the dumps, brought in by one ingest or by one for each."""
    lake = open_lake(folder / "lake")
    paths = written(folder / "dumps", some)
    for batch in [[path] for path in paths] if one_by_one else [paths]:
        report = lake.ingest(batch)
        assert not report.refused, report
    sound(lake)
    return lake


def sound(lake: Lake) -> None:
    """No check finds a row that breaks its rule."""
    assert asked(lake).execute(BROKEN).fetchall() == []


def analytical(lake: Lake, names: list[str]) -> dict[str, list[Any]]:
    """The rows of analytical views as text, without the columns of provenance."""
    con, found = asked(lake), {}
    for name in names:
        rows = con.execute(f"from {name}").fetchall()
        keys = [key for key, *_ in con.description or ()]
        found[name] = sorted(
            repr([pair for pair in zip(keys, row, strict=True) if pair[0] not in PROVENANCE])
            for row in rows
        )
    return found | {query: con.execute(query).fetchall() for query in (ORDER, VARIANTS)}


def differences(one: dict[str, list[Any]], two: dict[str, list[Any]]) -> list[Any]:
    """Some rows that only one of two answers has."""
    pairs = ((name, one[name], two[name]) for name in one)
    return [
        (name, [row for row in a if row not in b][:3], [row for row in b if row not in a][:3])
        for name, a, b in pairs
        if a != b
    ]


def exported(lake: Lake) -> list[dict[str, Any]]:
    """The events of an export."""
    values = [json.loads(line) for line in lake.export_events()]
    return [value for value in values if value.get("object") not in COMPANIONS]


def planted_key(folder: Path) -> list[Path]:
    """Files that hold the tracker's key that lies in job objects of dumps, or its hash parts."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    texts = [pq.read_table(p).to_pylist() for p in files if p.suffix == ".parquet"]
    assert KEY not in repr(texts)  # compressed columns hide what they hold
    return [path for path in files if KEY.encode() in path.read_bytes()]


def by_id(some: list[dict[str, Any]]) -> dict[str, Any]:
    """Events by their ids, fit to be compared as JSON."""
    assert len({event["id"] for event in some}) == len(some)
    return {event["id"]: comparable(event) for event in some}


@examples(6)
@given(some=dumps(), one_by_one=st.booleans())
def test_conservation(some: list[Dump], one_by_one: bool) -> None:
    """Every line is an event, a companion, a duplicate, a reject, ignored or blank: counted."""
    with workplace() as folder, lake_of(folder, some, one_by_one=one_by_one) as lake:
        rows = {Path(row["path"]).parent.name: row for row in lake.view("sources").to_dicts()}
        reasons = Counter(lake.sql("select reason from rejects")["reason"])
        wanted = Counter(line.kind for dump in some for line in dump.lines)
        for kind in ("event", "companion", "blank", "ignored"):
            del wanted[kind]
        assert reasons == wanted
        for number, dump in enumerate(some):
            kinds, row = Counter(line.kind for line in dump.lines), rows[str(number)]
            ids = {event["id"] for event in dump.events}
            assert row["records"] == len(dump.lines)
            assert (row["blank"], row["ignored"]) == (kinds["blank"], kinds["ignored"])
            assert row["events"] == len(ids)
            beside = {line.value for line in dump.lines if line.kind == "companion"}
            assert row["companions"] == len(beside)
            repeats = kinds["event"] - len(ids) + kinds["companion"] - len(beside)
            assert row["duplicates"] == repeats
            accounted = ("events", "companions", "duplicates", "rejects", "ignored", "blank")
            assert sum(row[name] for name in accounted) == row["records"]


@examples(4)
@given(some=dumps(repeats=False), names=SOME)
def test_lossless(some: list[Dump], names: list[str]) -> None:
    """The export gives every event JSON-equal, rejects are byte-equal, a reread gives the views."""
    with workplace() as folder, lake_of(folder, some) as lake:
        sent = [event for dump in some for event in dump.events]
        assert by_id(exported(lake)) == by_id(sent)
        kinds = ("event", "companion", "ignored", "blank")
        bad = [ln.raw for dump in some for ln in dump.lines if ln.kind not in kinds]
        kept = [raw.removesuffix(b"\r") for raw in lake.sql("select raw from lake_rejects")["raw"]]
        assert sorted(kept) == sorted(bad)
        told = {line.value for dump in some for line in dump.lines if line.kind == "companion"}
        held = lake.sql("select job_id, kind, content from companions").rows()
        assert set(held) == told
        assert planted_key(folder / "lake") == []
        (folder / "export").write_text("\n".join(lake.export_events()), encoding="utf-8")
        with open_lake(folder / "again") as again:
            assert again.ingest([folder / "export"]).reject_count == 0
            assert not differences(analytical(again, names), analytical(lake, names))


@examples(4)
@given(some=dumps(), names=SOME)
def test_repeat(some: list[Dump], names: list[str]) -> None:
    """Ingesting anything again, by the same path or another, changes no analytical view."""
    with workplace() as folder, lake_of(folder, some) as lake:
        before, sources = analytical(lake, names), lake.view("sources")
        report = lake.ingest(written(folder / "same", some))
        assert {source.status for source in report.sources} == {"known"}
        assert lake.view("sources").equals(sources)
        longer = [Dump(d.job, (*d.lines, strategies.Line(b"", "blank"))) for d in some]
        lake.ingest(written(folder / "changed", longer))
        sound(lake)
        assert not differences(analytical(lake, names), before)


@st.composite
def overlapping(draw: st.DrawFn) -> list[Dump]:
    """Dumps of which some bring the events of others, in other words or with other content."""
    some = draw(dumps(odd=False))
    for dump in list(some):
        lines = []
        for event in draw(st.lists(st.sampled_from(dump.events), min_size=1, max_size=4)):
            other = event | draw(
                st.sampled_from(
                    [{}, {"data": None}, {"data": {}}, {"data": {"step": 1.0}}, {"level": "warn"}]
                )
            )
            text = strategies.spelled(draw, other)
            lines.append(strategies.Line(text.encode(), "event", other))
        some.append(Dump(dump.job, tuple(lines)))
    return some


@examples(10)
@given(some=overlapping(), seed=st.integers(0, 9), one_by_one=st.booleans(), names=SOME)
def test_order_of_arrival(some: list[Dump], seed: int, one_by_one: bool, names: list[str]) -> None:
    """The order in which files arrive, together or one by one, changes no analytical view."""
    with workplace() as one, workplace() as two:
        with lake_of(one, some) as lake:
            wanted = analytical(lake, names)
        with lake_of(two, shuffled(some, seed), one_by_one=one_by_one) as lake:
            assert not differences(analytical(lake, names), wanted)


@examples(4)
@given(some=dumps(), data=st.data(), names=SOME)
def test_split(some: list[Dump], data: st.DataObject, names: list[str]) -> None:
    """Cut at line borders into files that each tell their job, dumps give the same views."""
    parts = []
    for dump in some:
        # parts of nothing but broken lines are no dumps: cut between events
        inner = [n for n in range(1, len(dump.lines)) if dump.lines[n].kind == "event"]
        parts += dump.parts(data.draw(st.lists(st.sampled_from(inner), unique=True, max_size=3)))
    with workplace() as one, workplace() as two:
        with lake_of(one, some) as lake:
            wanted = analytical(lake, names)
        with lake_of(two, parts) as lake:
            assert not differences(analytical(lake, names), wanted)


CONTENTS = [
    {},
    {"data": None},
    {"data": {}},
    {"data": {"step": 1, "train_loss": 0.5}},
    {"data": {"step": 1.0, "train_loss": 0.5}},
    {"data": {"train_loss": 0.5, "step": 1, "valid_loss": None}},
    {"data": {"step": 2, "train_loss": 0.5}},
    {"data": {"step": True}},
    {"data": {"step": 1, "train_loss": 0.5}, "x": 1},
    {"level": "warn"},
]


@examples(5)
@given(
    chosen=st.lists(st.sampled_from(CONTENTS), min_size=2, max_size=4),
    files=st.lists(st.integers(0, 2), min_size=4, max_size=4),
)
@example(chosen=[CONTENTS[0], CONTENTS[3], CONTENTS[8]], files=[2, 1, 0, 0])
@example(chosen=CONTENTS[:3], files=[0, 0, 1, 1])
@example(chosen=CONTENTS[3:6], files=[0, 1, 2, 0])
def test_identity(chosen: list[dict[str, Any]], files: list[int]) -> None:
    """Of contents that share an identity the greatest wins, the others are variants, each once."""
    base = {"id": "ftevent-" + "i" * 24, "created_at": strategies.START, "level": "info"}
    contents = [base | {"message": "m"} | content for content in chosen]
    lines = [strategies.Line(json.dumps(c).encode(), "event", c) for c in contents]
    some = [
        Dump(job_name(1), tuple(ln for ln, at in zip(lines, files, strict=False) if at == file))
        for file in sorted(set(files[: len(lines)]))
    ]
    keys = {weight(content) for content in contents}
    with workplace() as folder, lake_of(folder, some, one_by_one=True) as lake:
        (kept,) = exported(lake)
        assert weight(kept) == max(keys)
        variants = lake.sql("select event from lake_variants")["event"]
        assert sorted(weight(json.loads(v)) for v in variants) == sorted(keys - {max(keys)})
        contents = {dump.content(): len(dump.lines) for dump in some}  # the same file is known
        assert lake.view("sources")["duplicates"].sum() == sum(contents.values()) - 1


def test_lossless_ids(tmp_path: Path) -> None:
    """An empty id, and one that looks like the hash of an event without id, come out as sent."""
    base = {"created_at": strategies.START, "level": "info", "message": "m"}
    sent = [base | {"id": name, "message": f"id {name}"} for name in ("", "hash-", "hash-1", "e")]
    legacy = base | {"object": "fine-tune-event"}
    sent += [legacy, legacy | {"id": None, "message": "n"}, legacy | {"id": "hash-2"}]
    lines = [strategies.Line(json.dumps(event).encode(), "event", event) for event in sent]
    with lake_of(tmp_path, [Dump(job_name(1), tuple(lines))]) as lake:
        found = exported(lake)
        assert len(found) == len(sent) and all(event in sent for event in found)
        out = "\n".join(lake.export_events())
        (tmp_path / "export").write_text(out)
        with open_lake(tmp_path / "again") as again:
            assert again.ingest([tmp_path / "export"]).reject_count == 0
            assert list(again.export_events()) == list(lake.export_events())


def test_repeat_of_variants(tmp_path: Path) -> None:
    """A content that lost is kept once, however often it comes again."""
    base = {"id": "ftevent-" + "i" * 24, "created_at": strategies.START, "level": "info"}
    losing, winning = ({**base, "message": "m", "data": {"a": n}} for n in (1, 2))
    lines = [strategies.Line(json.dumps(c).encode(), "event", c) for c in (losing, winning)]
    blank = strategies.Line(b"", "blank")
    some = [Dump(job_name(1), (*lines, *[blank] * n)) for n in range(3)]
    with lake_of(tmp_path, some, one_by_one=True) as lake:
        assert exported(lake) == [winning]
        (variant,) = lake.view("variants").to_dicts()
        assert json.loads(variant["event"]) == losing


def test_variants_need_no_order(tmp_path: Path) -> None:
    """Of texts that mean the same the least is kept as a variant, whatever came first."""
    base = {"id": "ftevent-" + "i" * 24, "created_at": strategies.START, "level": "info"}
    texts = [
        json.dumps({**base, "message": "m", "data": data})
        for data in ({"a": 1}, {"a": 1.0}, {"a": 1, "b": None}, {"a": 1, "b": 2})
    ]
    some = [Dump(job_name(1), (strategies.Line(text.encode(), "event"),)) for text in texts]
    found = set()
    for number, order in enumerate(islice(permutations(some), 0, None, 9)):
        with lake_of(tmp_path / f"{number}", list(order), one_by_one=True) as lake:
            (row,) = lake.sql("select event from lake_variants").rows()
            found.add(row[0])
    assert len(found) == 1


LIFE = [
    f"Created fine-tuning job: {job_name(1)}",
    "Validating training file: file-abc",
    "Files validated, moving job to queued state",
    "Fine-tuning job started",
    "Step 1/12: training loss=0.50",
    "Step 2/12: training loss=0.50",
    "Step 10/12: training loss=0.50",
    "Step 11/12: training loss=0.50",
    "Checkpoint created at step 10",
    "Checkpoint created at step 12",
    "New fine-tuned model created",
    "Evaluating model against our usage policies",
    "Usage policy evaluations completed, model is now enabled for sampling",
    "The job has successfully completed",
]


@examples(6)
@given(
    pauses=st.lists(st.integers(0, 1), min_size=len(LIFE), max_size=len(LIFE)),
    arranged=st.sampled_from(["oldest first", "newest first", "as it comes"]),
    seed=st.integers(0, 99),
    pages=st.booleans(),
)
def test_order_in_time(pauses: list[int], arranged: str, seed: int, pages: bool) -> None:
    """The order in time is the job's course, however many events share a second, any way up."""
    moment, some = strategies.START, []
    for number, (message, pause) in enumerate(zip(LIFE, pauses, strict=True)):
        moment += pause
        digits = f"{(number * 37 + seed) % 101:024}"  # ids tell nothing
        some.append(
            {"id": f"ftevent-{digits}", "created_at": moment, "level": "info", "message": message}
        )
    wanted = [event["message"] for event in some]
    if arranged != "oldest first":
        some = some[::-1] if arranged == "newest first" else shuffled(some, seed)
    with workplace() as folder:
        dump = folder / f"{job_name(1)}.json"
        text = json.dumps({"object": "list", "data": some}) if pages else "\n".join(
            map(json.dumps, some)
        )  # fmt: skip
        dump.write_text(text)
        with open_lake(folder / "lake") as lake:
            lake.ingest([dump])
            assert lake.view("events")["message"].to_list() == wanted


@examples(5)
@given(
    places=st.lists(st.integers(0, 39), min_size=40, max_size=40),
    newest_first=st.booleans(),
    key=st.sampled_from(["full_valid_loss", "late/key", "a~b", "\u65e5\u672c"]),
    deep=st.booleans(),
)
def test_late_keys(places: list[int], newest_first: bool, key: str, deep: bool) -> None:
    """A metric first seen in the last row of the last file is there."""
    some = [
        {
            "id": f"ftevent-{n:024}",
            "created_at": strategies.START + n,
            "level": "info",
            "message": f"Step {n}: x",
            "data": {"step": n, "train_loss": 0.5},
        }
        for n in range(40)
    ]
    some[-1]["data"] |= {key: 0.125} | ({"deep": [{"name": "g", key: 3}]} if deep else {})
    files = [[e for e, place in zip(some[:-1], places, strict=False) if place % 3 == f]
             for f in range(3)]  # fmt: skip
    files[-1].append(some[-1])
    with workplace() as folder:
        for number, content in enumerate(files):
            rows = content[::-1] if newest_first and number < 2 else content
            path = folder / "dumps" / f"{number}-{job_name(1)}.jsonl"
            path.parent.mkdir(exist_ok=True)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows) or "\n")
        with open_lake(folder / "lake") as lake:
            lake.ingest([folder / "dumps"])
            seen = dict(lake.sql("select metric, value from metrics where step = 39").rows())
            name = key.replace("~", "~0").replace("/", "~1")
            wanted = {"train_loss": 0.5, name: 0.125} | ({f"deep/g/{name}": 3} if deep else {})
            assert seen == wanted
