"""A known file that grew: only what is new in it is read."""

from __future__ import annotations

from typing import Any

import pyarrow.dataset as ds
import xxhash

from pipeline.lake.reading import Reading
from pipeline.lake.store import Commit, Store

_PIECE = 4 << 20
_COUNTED = ("records", "events", "duplicates", "rejects", "ignored", "blank")


def recognise_growth(store: Store, reading: Reading) -> None:
    """Mark a reading as grown if an earlier, shorter self of the file is known.

    The old content must be the new one's beginning, in JSON lines without compression. A last
    line that was cut off then is read again; its reject goes.
    """
    old = store.ledger.source_at(reading.stored_path)
    if (
        old is None
        or not 0 < old["byte_count"] < reading.size
        or (old["form"], old["compression"]) != ("lines", "none")
        or (old["job_hint"] or "") != reading.hint
        or reading.source.file is None
    ):
        return
    digest = xxhash.xxh3_128()
    with reading.source.file.open("rb") as file:
        left = old["byte_count"]
        while left and (piece := file.read(min(left, _PIECE))):
            digest.update(piece)
            left -= len(piece)
        ended = piece.endswith(b"\n") or file.read(1) in (b"\n", b"\r")
    if digest.hexdigest() != old["content_hash"]:
        return
    last = old["records"] - 1
    if not ended:
        if not _is_reject(store, old["source_id"], last):
            return  # a whole record went on: what it was is not what it is
        reading.reread = last
    reading.status, reading.grown_from = "grown", dict(old)
    reading.source_id = old["source_id"]
    reading.first = old["records"] if ended else last


def still_grown(store: Store, reading: Reading) -> bool:
    """Whether the streams of the old part are what they were, now that the rest is known."""
    if reading.form != "lines":
        return False
    for row, stream in zip(store.ledger.streams(reading.source_id), reading.streams, strict=False):
        if row["first_position"] != stream.first:
            return False
        if stream.job is not None and row["job_id"] != stream.job:
            return False
    return True


def carry_on(row: dict[str, Any], reading: Reading) -> None:
    """Add what the earlier self of a grown source counted to its row."""
    old = reading.grown_from
    if old is None:
        return
    for name in _COUNTED:
        row[name] += old[name]
    if reading.reread is not None:
        row["records"] -= 1
        row["rejects"] -= 1


def drop_rejects(store: Store, commit: Commit, readings: list[Reading]) -> None:
    """Take out the rejects of once cut-off lines that were read again."""
    gone = {(r.source_id, r.reread) for r in readings if r.reread is not None}
    if not gone:
        return
    for file in store.live("rejects"):
        table = ds.dataset(file).to_table()
        keys = zip(table["source_id"].to_pylist(), table["position"].to_pylist(), strict=True)
        keep = [key not in gone for key in keys]
        if not all(keep):
            commit.replace(file, "rejects", table.filter(keep))


def _is_reject(store: Store, source_id: str, position: int) -> bool:
    wanted = (ds.field("source_id") == source_id) & (ds.field("position") == position)
    return any(ds.dataset(file).count_rows(filter=wanted) for file in store.live("rejects"))
