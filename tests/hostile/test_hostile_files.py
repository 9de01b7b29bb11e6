"""Files made to break a reader: their names, their kinds, what they expand to, how they change."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import xxhash
from dumps import A, a_page, an_event
from strategies import EFFORT
from zygote import started

from pipeline import open_lake
from pipeline.lake import reading, version
from pipeline.lake.lake import Lake
from pipeline.sources import discover, shown
from pipeline.zstd import zstd

PACK = {"gz": lambda data: gzip.compress(data, mtime=0), "zst": zstd.compress}


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    """An empty lake."""
    with open_lake(tmp_path / "lake") as opened:
        yield opened


@cache
def lines(count: int, first: int = 0) -> bytes:
    """Events as lines."""
    return b"".join(json.dumps(an_event(n)).encode() + b"\n" for n in range(first, first + count))


def conserved(lake: Lake) -> list[dict[str, Any]]:
    """The sources of a lake, each checked for conservation and for the events it owns."""
    rows = lake.sql("select * from lake_sources order by path").to_dicts()
    owned = dict(lake.sql("select source_id, count(*) from lake_events group by all").rows())
    for row in rows:
        parts = ("events", "duplicates", "rejects", "ignored", "blank")
        assert row["records"] == sum(row[part] for part in parts)
        assert row["events"] == owned.get(row["source_id"], 0)
    return rows


# Names and kinds

NAMES = [
    *(b"a\nb", b"q'\"uote", b"x..", b"a.. b", b"[g]*?", b"\xff\xfe", b"\x1b[31mred", b"-"),
    *(b"a b;$(x)", b"%s{0}", b"\xe2\x80\xaeltr"),
]


def test_names(tmp_path: Path) -> None:
    """Files of any name are read, and told on the terminal and in every format without harm."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        path = folder / os.fsdecode(name + b".jsonl")
        path.write_bytes(lines(2, 2 * number) + b"{oops}\n")
    os.mkfifo(folder / os.fsdecode(b"fifo\xff\n"))
    for format in ("table", "json", "csv", "markdown", "jsonl"):
        args = ["ingest", "in", "--lake", f"lake {format}'\"", "--format", format]
        done = started().run(args, cwd=tmp_path)
        assert done.code == 1 and "Traceback" not in done.stderr
        assert done.stderr.count("\n") == 3 and "\x1b" not in done.stderr
        if format in ("table", "markdown"):
            assert "\x1b" not in done.stdout
        if format == "json":
            told = {row["path"]: row["status"] for row in json.loads(done.stdout)}
            assert sorted(told.values()) == ["new"] * len(NAMES) + ["refused"]
        with open_lake(tmp_path / f"lake {format}'\"") as lake:
            rows = conserved(lake)
            assert [row["records"] for row in rows] == [3] * len(NAMES)
            assert {row["path"] for row in rows} == {
                shown(os.fsdecode(b"in/" + name + b".jsonl")) for name in NAMES
            }


def test_paths_upward(lake: Lake, tmp_path: Path) -> None:
    """A path with `..` in it names the file it leads to, once, and writes nothing beside it."""
    (tmp_path / "a").mkdir()
    (tmp_path / "x.jsonl").write_bytes(lines(2))
    report = lake.ingest([tmp_path / "a" / ".." / "x.jsonl", tmp_path / "x.jsonl"])
    assert len(report.sources) == 1 and conserved(lake)[0]["events"] == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "lake", "x.jsonl"]


def test_one_name_twice(lake: Lake, tmp_path: Path) -> None:
    """Files of one name in several folders are sources of their own, at once or later."""
    for folder, first in (("a", 0), ("b", 2), ("c", 1)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.jsonl").write_bytes(lines(2, first))
    lake.ingest([tmp_path / "a" / "x.jsonl", tmp_path / "b" / "x.jsonl"], job_id=A)
    lake.ingest([tmp_path / "c" / "x.jsonl"], job_id=A)
    rows = conserved(lake)
    assert [(row["events"], row["duplicates"]) for row in rows] == [(2, 0), (2, 0), (0, 2)]


def test_one_path_with_another_content(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path that means another file by now is another source."""
    for folder, first in (("a", 0), ("b", 5)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.jsonl").write_bytes(lines(2, first))
        monkeypatch.chdir(tmp_path / folder)
        lake.ingest(["x.jsonl"])
    assert [row["events"] for row in conserved(lake)] == [2, 2]


def test_loops_of_links(lake: Lake, tmp_path: Path) -> None:
    """Links that lead to themselves are a problem of their own; `**` does not run in circles."""
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "x.jsonl").write_bytes(lines(2))
    (folder / "self").symlink_to("self")
    (folder / "ping").symlink_to("pong")
    (folder / "pong").symlink_to("ping")
    for number in range(3):
        (folder / "deep" / f"up{number}").symlink_to("..")
    report = lake.ingest([folder])
    assert sorted(s.status for s in report.sources) == ["new", "refused", "refused", "refused"]
    assert all("symbolic links" in str(s.problem) for s in report.refused)
    found = [source.path for source in discover([f"{folder}/**/*.jsonl"])]
    assert found == [str(folder / "deep" / "x.jsonl")]


@pytest.mark.parametrize("kind", ["fifo", "/dev/zero", "/dev/tty"])
def test_odd_files_are_not_opened(tmp_path: Path, kind: str) -> None:
    """A FIFO or a device is refused by name, at once, though nobody ever writes into it."""
    path = kind
    if kind == "fifo":
        path = str(tmp_path / "fifo")
        os.mkfifo(path)
    (tmp_path / "x.jsonl").write_bytes(lines(2))
    done = started().run(["ingest", path, "x.jsonl"], cwd=tmp_path)
    assert done.code == 1 and "2 new events" in done.stdout
    assert "pipe its content in" in done.stderr


def test_a_fifo_put_in_place_of_a_file(tmp_path: Path) -> None:
    """A file that has become a FIFO since it was found is not waited for."""
    (tmp_path / "x").write_bytes(lines(2))
    (source,) = discover([str(tmp_path / "x")])
    (tmp_path / "x").unlink()
    os.mkfifo(tmp_path / "x")
    with pytest.raises(OSError, match="no regular file"):
        reading.Reading(source).fingerprint(tmp_path)


# Files that change

SIZE = 20_000
"""Events of a file that is too large to be kept in memory between the passes."""


@pytest.fixture
def when_read(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], None]], None]:
    """Do something just before a hashed file is opened to be recognised, scouted or read."""
    opens = [0]
    plain = version.open_regular

    def arrange(moment: str, act: Callable[[], None]) -> None:
        number = {"form": 1, "on sight": 2, "scout": 2, "read": 3}[moment]
        if moment in ("scout", "read"):  # else a large file is not scouted first
            monkeypatch.setattr(reading.Reading, "is_large", False)

        def opened(file: Path) -> Any:
            opens[0] += 1
            if opens[0] == number:
                act()
            return plain(file)

        monkeypatch.setattr(reading, "open_regular", opened)

    return arrange


@pytest.mark.parametrize("moment", ["form", "on sight", "scout", "read"])
def test_a_file_that_grows_while_it_is_read(
    lake: Lake, tmp_path: Path, when_read: Any, moment: str
) -> None:
    """Of a file that grows under the reader the part that was hashed is taken, the rest later."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(lines(SIZE))

    def grow() -> None:
        with path.open("ab") as file:
            file.write(lines(500, SIZE))

    when_read(moment, grow)
    (report,) = lake.ingest([path], job_id=A).sources
    assert (report.status, report.events) == ("new", SIZE)
    assert conserved(lake)[0]["bytes"] == len(lines(SIZE))
    (report,) = lake.ingest([path], job_id=A).sources
    assert (report.status, report.events) == ("grown", 500)
    (row,) = conserved(lake)
    assert (row["records"], row["events"]) == (SIZE + 500, SIZE + 500)


CHANGES: dict[str, Callable[[Path], object]] = {
    "replaced": lambda path: path.write_bytes(lines(SIZE, 100_000)),
    "cut": lambda path: os.truncate(path, 3_000_000),
    "emptied": lambda path: os.truncate(path, 0),
    "one byte": lambda path: _flip(path, 2_000_000),
    "gone": lambda path: path.unlink(),
    "fifo": lambda path: (path.unlink(), os.mkfifo(path)),
}


def _flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


@pytest.mark.parametrize("moment", ["on sight", "scout", "read"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_while_it_is_read(
    lake: Lake, tmp_path: Path, when_read: Any, change: str, moment: str
) -> None:
    """A file changed under the reader is refused on one line, whole; others beside it are taken."""
    path, beside, copy = (tmp_path / name for name in ("x.jsonl", "y.jsonl", "z.jsonl"))
    path.write_bytes(lines(SIZE))
    beside.write_bytes(lines(3, 500_000))
    copy.write_bytes(lines(SIZE))
    when_read(moment, lambda: CHANGES[change](path))
    report = lake.ingest([path, beside, copy], job_id=A)
    told = {Path(s.path).name: s for s in report.sources}
    changed = told["x.jsonl"]
    assert changed.status == "refused" and "changed while it was read" in str(changed.problem)
    assert str(changed.problem).count("\n") == 0
    assert told["y.jsonl"].events == 3
    assert "x.jsonl" not in {Path(row["path"]).name for row in conserved(lake)}
    equal = told["z.jsonl"]
    assert equal.events == SIZE or "is equal to a file that changed" in str(equal.problem)
    (again,) = lake.ingest([copy], job_id=A).sources
    assert (again.status, again.events + equal.events) in (("new", SIZE), ("known", SIZE))
    assert lake.sql("select count(*) as n from lake_events")["n"][0] == SIZE + 3
    conserved(lake)


# Compressed files


@pytest.mark.parametrize("kind", PACK)
def test_cut_off_at_every_block(lake: Lake, tmp_path: Path, kind: str) -> None:
    """Cut off anywhere, a compressed dump gives its whole lines before the cut, and says so."""
    text = lines(400)
    parts = [text[at : at + 9_000] for at in range(0, len(text), 9_000)]
    members = [PACK[kind](part) for part in parts]
    packed, borders = b"".join(members), set(accumulate(map(len, members)))
    cuts = sorted({*range(5, len(packed), 97), *borders, *range(len(packed) - 12, len(packed))})
    for cut in cuts:
        (tmp_path / f"{cut}").write_bytes(packed[:cut])
    report = lake.ingest([tmp_path / f"{cut}" for cut in cuts], job_id=A)
    rows = {Path(row["path"]).name: row for row in conserved(lake)}
    for cut, source in zip(cuts, report.sources, strict=True):
        found = inflated(packed[:cut], kind)
        if not found.strip():
            assert source.status == "refused" and source.problem
            continue
        row = rows[f"{cut}"]
        assert row["events"] + row["duplicates"] == found.count(b"\n")
        assert row["rejects"] <= 2 and row["ignored"] == row["blank"] == 0
        assert source.rejects.get("corrupt_compression", 0) == (cut not in borders)


def inflated(packed: bytes, kind: str) -> bytes:
    """What a cut-off file still holds, told by the libraries alone, a byte at a time."""
    content = b""
    make: Any = (lambda: zlib.decompressobj(31)) if kind == "gz" else zstd.ZstdDecompressor
    inner = make()
    for byte in packed:
        if inner.eof:
            inner = make()
        content += inner.decompress(bytes([byte]))
    return content


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("tail", [b"{}\n", b"\0\0x", b"\x1f\x8b", b"garbage " * 1_000])
def test_something_behind(lake: Lake, tmp_path: Path, kind: str, tail: bytes) -> None:
    """What follows compressed data and is none costs one reject, and no event before it."""
    (tmp_path / "x").write_bytes(PACK[kind](lines(5)) + PACK[kind](lines(5, 5)) + tail)
    (report,) = lake.ingest([tmp_path / "x"], job_id=A).sources
    assert (report.events, report.rejects) == (10, {"corrupt_compression": 1})
    conserved(lake)


def bomb(kind: str, size: int) -> bytes:
    """A few events, and then so many bytes of line breaks."""
    out = io.BytesIO()
    opener: Any = gzip.open if kind == "gz" else zstd.open
    with opener(out, "wb") as file:
        file.write(lines(3))
        for _ in range(size >> 20):
            file.write(b" " * ((1 << 20) - 1) + b"\n")
    return out.getvalue()


@pytest.mark.parametrize("kind", PACK)
def test_expansion(lake: Lake, tmp_path: Path, kind: str) -> None:
    """A file that expands further than allowed is refused on one line; told to, it is read."""
    (tmp_path / "x").write_bytes(bomb(kind, 16 << 20))
    for most in (10, 100):
        (report,) = lake.ingest([tmp_path / "x"], max_expansion=most).sources
        assert report.status == "refused" and "--max-expansion" in str(report.problem)
        assert f"{most:,} times" in str(report.problem) and "\n" not in str(report.problem)
    assert lake.view("sources").is_empty()
    (report,) = lake.ingest([tmp_path / "x"], max_expansion=10**6).sources
    assert (report.events, report.blank) == (3, 16)
    conserved(lake)


PEAK = """
import re, sys
import pipeline.lake.ingest
from pipeline.cli import run

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])

imported = peak()
try:
    sys.exit(run(sys.argv[1:]))
finally:
    print("PEAK", peak() - imported, file=sys.stderr)
"""


def ingest_peak(lake: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """Ingest in a process of its own; how it ended, and the most memory it took [MiB].

    Without what imports take, which differs by 50 MiB between versions of Python.
    """
    done = subprocess.run(
        [sys.executable, "-c", PEAK, "ingest", "--lake", str(lake), *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done, int(done.stderr.rpartition("PEAK ")[2]) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is told by Linux only")
def test_an_endless_line_takes_no_memory(tmp_path: Path) -> None:
    """A line of 1 GB (128 MB in the short form) is one reject, in bounded memory."""
    length, dump = (1_000 if EFFORT > 1 else 128) << 20, tmp_path / "x.jsonl"
    digest = xxhash.xxh3_128()
    with dump.open("wb") as file:
        file.write(lines(2))
        for _ in range(length >> 20):
            file.write(b"x" * (1 << 20))
            digest.update(b"x" * (1 << 20))
        file.write(b"\n" + lines(1, 2))
    done, peak = ingest_peak(tmp_path / "lake", str(dump))
    assert done.returncode == 1 and "3 new events" in done.stdout
    assert peak < 370
    with open_lake(tmp_path / "lake") as lake:
        (reject,) = lake.sql("from lake_rejects").to_dicts()
        assert (reject["reason"], reject["byte_offset"]) == ("too_large", len(lines(2)))
        assert (reject["byte_length"], reject["raw"]) == (length, b"x" * (64 << 10))
        assert reject["raw_hash"] == digest.hexdigest()
        conserved(lake)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is told by Linux only")
def test_millions_of_short_lines_take_no_memory(tmp_path: Path) -> None:
    """What a line needs beside its bytes is bounded as well, and blank ones are no work."""
    dump = tmp_path / "x.jsonl"
    short = b"\n" * 1_000_000 + b"\r\n" * 200_000 + b" \n" * 400_000 + b"1\n" * 10_000
    dump.write_bytes(lines(2) + short + lines(1, 2))
    done, peak = ingest_peak(tmp_path / "lake", str(dump))
    assert done.returncode == 1 and "3 new events" in done.stdout
    assert peak < 200
    with open_lake(tmp_path / "lake") as lake:
        assert lake.sql("select blank, rejects from lake_sources").rows() == [(1_600_000, 10_000)]
        assert lake.sql("select max(position) from lake_events").item() == 1_610_002
        conserved(lake)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is told by Linux only")
def test_expansion_by_default(tmp_path: Path) -> None:
    """A file of 1,000 to 1 and more is refused by default; allowed, it takes no more memory."""
    packed = tmp_path / "x.zst"
    packed.write_bytes(bomb("zst", 256 << 20))
    assert (256 << 20) / packed.stat().st_size > 1_000
    done, peak = ingest_peak(tmp_path / "lake", str(packed))
    assert done.returncode == 1 and "--max-expansion" in done.stderr
    assert peak < 220
    done, peak = ingest_peak(tmp_path / "lake", str(packed), "--max-expansion", "100000")
    assert done.returncode == 0 and "3 new events" in done.stdout
    assert peak < 420


def test_expansion_of_usual_dumps(lake: Lake, tmp_path: Path) -> None:
    """Dumps as people have them stay far below the limit."""
    page = b"".join(json.dumps(a_page(*range(20, 0, -1))).encode() + b"\n" for _ in range(40))
    for name, content in (("a.gz", gzip.compress(page)), ("b.zst", zstd.compress(lines(5_000)))):
        (tmp_path / name).write_bytes(content)
    assert not lake.ingest([tmp_path / "a.gz", tmp_path / "b.zst"], max_expansion=300).refused
