"""A known file that grew: it takes the place of its earlier self.

JSON lines are read on. All else is read whole (a document, a compressed or a result file, lines
that were another thing before), and the earlier self leaves when nothing of it is left that did
not come again.
"""

from __future__ import annotations

import io
import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import xxhash

from pipeline.attribution import Stream
from pipeline.contract import UNATTRIBUTED_PREFIX
from pipeline.errors import LakeError
from pipeline.forms.lines import JOINT, JOINT_BYTES
from pipeline.lake.commit import Commit
from pipeline.lake.ledger import with_kinds
from pipeline.lake.reading import Reading
from pipeline.lake.segments import rejects_without, rows_in
from pipeline.lake.store import Store
from pipeline.lake.version import open_regular

_PIECE = 4 << 20
_GIVEN = ("shared", "assigned", "unknown")
"""How a stream is told whose job its own source does not name."""
_COUNTED = ("records", "events", "companions", "duplicates", "rejects", "ignored",
            "blank")  # fmt: skip


def recognise_growth(store: Store, reading: Reading) -> None:
    """Mark a reading as grown if an earlier, shorter self of the file is known.

    The old content must be the new one's beginning. Of JSON lines without compression only the
    rest is read, and a last line that was cut off then; its reject goes.
    """
    earlier = [
        old
        for old in store.ledger.sources_at(*_spellings(reading.stored_path))
        if 0 < old["byte_count"] < reading.size and (old["job_hint"] or "") == reading.hint
    ]
    if not earlier or reading.source.file is None:
        return
    try:
        with open_regular(reading.source.file) as file:
            known = _longest_known(file, earlier)
    except OSError:  # gone meanwhile: reading it will tell
        return
    if known is None:
        return
    old, lines = known.source, known.lines
    reading.status = "grown"
    plain = (old["form"], old["compression"]) == ("lines", "none") and reading.form != "results"
    # Where a whole record went on, what it was is not what it is; of several on a line, lines do
    # not tell how many records there were.
    reads_on = plain and not known.is_joined
    if not (reads_on and (known.ends_there or _is_reject(store, old["source_id"], lines))):
        reading.replaces = dict(old)
        return
    reading.grown_from = dict(old)
    reading.reread = None if known.ends_there else lines
    reading.source_id = old["source_id"]
    # Lines, not records: a page on a line is as many records as it has events.
    reading.first = lines + (known.ends_there and known.is_open)


class _Known(NamedTuple):
    """A source that a file begins with.

    Attributes:
        source: its row.
        lines: line breaks in it.
        is_joined: a line of it may hold several objects.
        is_open: its last line lacked a line break.
        ends_there: what follows ends that line, if it was open.
    """

    source: sqlite3.Row
    lines: int
    is_joined: bool
    is_open: bool
    ends_there: bool = True


def _longest_known(file: io.FileIO, earlier: Sequence[sqlite3.Row]) -> _Known | None:
    """The longest source that a file begins with.

    Files of several folders may be called alike, and one may have been replaced by another.
    """
    digest, lines, piece, known, joined = xxhash.xxh3_128(), 0, b"", None, False
    for old in sorted(earlier, key=lambda old: old["byte_count"]):
        while left := old["byte_count"] - file.tell():
            if not (more := file.read(min(left, _PIECE))):
                break
            joined = joined or bool(JOINT.search(piece[1 - JOINT_BYTES :] + more))
            piece = more
            digest.update(piece)
            lines += piece.count(b"\n")
        if digest.hexdigest() == old["content_hash"]:
            known = _Known(old, lines, joined, not piece.endswith(b"\n"))
    if known is None or not known.is_open:
        return known
    file.seek(known.source["byte_count"])
    follows = file.read(2)
    return known._replace(ends_there=follows[:1] == b"\n" or follows in (b"\r\n", b"\r"))


def _spellings(path: str) -> set[str]:
    """A path as it is given, and as it may have been given before."""
    try:
        near = os.path.relpath(path)
        return {path, near, f"./{near}", os.path.normpath(Path.cwd() / path)}
    except OSError:  # the working folder is gone
        return {path}


def still_grown(store: Store, reading: Reading) -> bool:
    """Whether the streams of the old part are what they were, now that the rest is known.

    A stream that nothing in the file names goes on under the job it was given since, and one that
    was assigned to a job, by force perhaps, under that.
    """
    if reading.form != "lines":
        return False
    found = {f"{reading.source_id}/{n}": stream for n, stream in enumerate(reading.found or [])}
    held = {row["stream_id"]: row for row in store.ledger.streams(reading.source_id)}
    whole = {name for name in held if name.rpartition("/")[2].isdigit()}
    if not whole <= found.keys():
        return False
    for name, stream in found.items():
        row = held.get(name)
        if row is None:
            if stream.first < reading.first:
                return False
            continue
        place = (row["first_position"], bool(row["newest_first"]))
        named = stream.job not in (None, row["job_id"]) and row["told_by"] != "assigned"
        lost = stream.job is None and row["told_by"] not in _GIVEN
        if named or lost or place != (stream.first, stream.newest_first):
            return False
    reading.found = [_as_assigned(stream, held.get(name)) for name, stream in found.items()]
    return True


def keep_assigned(store: Store, reading: Reading) -> None:
    """Let what was assigned of a file's earlier self be so in what is read in its place."""
    for end, row in _earlier_streams(store, reading).items():
        if end.isdigit() and reading.found and int(end) < len(reading.found):
            stream = reading.found[int(end)]
            if goes_on(row, stream):
                reading.found[int(end)] = _as_assigned(stream, row)


def _earlier_streams(store: Store, reading: Reading) -> dict[str, sqlite3.Row]:
    """The streams of the earlier self that a reading is to replace, by the ends of their ids."""
    if reading.replaces is None:
        return {}
    old = reading.replaces["source_id"]
    rows = store.ledger.streams(old)
    return {row["stream_id"].removeprefix(f"{old}/"): row for row in rows}


def goes_on(row: sqlite3.Row, stream: Stream | None) -> bool:
    """Whether a stream is what another one was, and maybe more."""
    return stream is not None and row["first_position"] == stream.first


def _as_assigned(stream: Stream, row: sqlite3.Row | None) -> Stream:
    """A stream under the job it was assigned to, whatever its own evidence says."""
    if row is None or row["told_by"] != "assigned" or stream.job is None:
        return stream
    return stream._replace(job=row["job_id"], told_by="assigned", conflict=None)


def overtaken(store: Store, reading: Reading) -> bool:
    """Whether another process has committed the same content since it was looked at.

    Raises:
        LakeError: it has committed another growth of the file.
    """
    if old := reading.replaces:
        if store.ledger.known(*reading.key):
            return True
        row = store.ledger.source(old["source_id"])
        if row is None or row["content_hash"] != old["content_hash"]:
            raise _read_on_meanwhile(reading)
        return False
    row = store.ledger.source(reading.source_id)
    if row is None or reading.grown_from is None:
        return row is not None
    if row["content_hash"] == reading.grown_from["content_hash"]:
        return False
    if row["content_hash"] != reading.content_hash:
        raise _read_on_meanwhile(reading)
    return True


def _read_on_meanwhile(reading: Reading) -> LakeError:
    return LakeError(f"{reading.path}: another ingest read on in it meanwhile: ingest it again")


def held_streams(store: Store, readings: Sequence[Reading]) -> dict[str, Mapping[str, Any]]:
    """What the ledger says of the streams of grown sources: stream id -> row.

    Of an earlier self that is to be replaced, what was assigned, under the ids of now.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for reading in readings:
        if reading.grown_from is not None:
            found |= {r["stream_id"]: dict(r) for r in store.ledger.streams(reading.source_id)}
        for end, row in _earlier_streams(store, reading).items():
            name = f"{reading.source_id}/{end}"
            if row["told_by"] == "assigned" and goes_on(row, reading.streams.get(name)):
                found[name] = dict(row)
    return found


def ties(store: Store, readings: Sequence[Reading]) -> set[tuple[str, str]]:
    """Streams without a job, and jobs without a name, with the job that they are, as they go on."""
    found = set()
    for reading in readings:
        if reading.grown_from is not None:
            held = {r["stream_id"]: r["job_id"] for r in store.ledger.streams(reading.source_id)}
            found |= {(name, held[name]) for name in held.keys() & reading.streams.keys()}
        for end, row in _earlier_streams(store, reading).items():
            name = f"{reading.source_id}/{end}"
            stream = reading.streams.get(name)
            if stream is None or not goes_on(row, stream) or row["job_id"] == row["stream_id"]:
                continue  # a stream without events stands for itself
            if stream.job is None and row["told_by"] in _GIVEN:
                found.add((name, row["job_id"]))
            elif stream.job and row["job_id"].startswith(UNATTRIBUTED_PREFIX):
                found.add((row["job_id"], stream.job))
    return found


def carry_on(row: dict[str, Any], reading: Reading) -> None:
    """Add what the earlier self of a grown source counted to its row."""
    old = reading.grown_from
    if old is None:
        return
    for name in _COUNTED:
        row[name] += old[name]
    row["ignored_kinds"] = with_kinds(old["ignored_kinds"], json.loads(row["ignored_kinds"]))
    if reading.reread is not None:
        row["records"] -= 1
        row["rejects"] -= 1


def take_places(store: Store, readings: Sequence[Reading], gone: set[str]) -> None:
    """Let sources that are gone leave the ledger, and what is known of their contents point on.

    An earlier self of which something is left, since it did not come again, stays beside.
    """
    for reading in readings:
        if reading.replaces and reading.replaces["source_id"] in gone:
            store.ledger.replace_source(reading.replaces["source_id"], reading.source_id)
        elif reading.replaces:
            reading.status, reading.replaces = "new", None


def drop_rejects(commit: Commit, readings: list[Reading], gone: set[str]) -> None:
    """Take out the rejects of once cut-off lines that were read again, and of sources gone."""
    again = {(r.source_id, r.reread) for r in readings if r.reread is not None}
    if not again and not gone:
        return
    import pyarrow.dataset as ds

    concerned = ds.field("source_id").isin([*gone, *(source for source, _ in again)])
    for file in commit.store.live("rejects"):
        if not ds.dataset(file).count_rows(filter=concerned):
            continue  # as most
        staged = rejects_without(
            commit.folder,
            [file],
            lambda source, *place: source in gone or (source, place[0]) in again,
        )
        if staged is None or staged.rows < rows_in(file):
            commit.exchange([file], staged)


def _is_reject(store: Store, source_id: str, position: int) -> bool:
    import pyarrow.dataset as ds  # slow to import, rarely needed

    wanted = (ds.field("source_id") == source_id) & (ds.field("position") == position)
    return any(ds.dataset(file).count_rows(filter=wanted) for file in store.live("rejects"))
