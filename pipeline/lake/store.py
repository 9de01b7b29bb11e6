"""The lake's folder: where files lie, what a commit does to them, what is garbage."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from xxhash import xxh3_64_hexdigest

from pipeline import views
from pipeline.contract import DATA_TABLES, LAKE_FOLDERS, TABLES
from pipeline.durable import sync
from pipeline.errors import LakeError, UsageError
from pipeline.lake.holder import lives
from pipeline.lake.ledger import Ledger, is_lost, now
from pipeline.lake.upgrade import upgrade
from pipeline.view_files import NO_ROWS, SPOKEN

_KEPT = timedelta(hours=24)
"""How long a file stays after it was replaced: readers may have it open."""
_UNFIT = re.compile(r"[*?\[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_WORKED = timedelta(days=7)
"""How much longer what a living process works with stays: another may have its number by then."""
_WORKSPACE = re.compile(r"([0-9]+)-[0-9a-f]{8}")
_SEGMENT = re.compile(r"[0-9a-f]{32}\.parquet")
_UNFINISHED = re.compile(rf"{_WORKSPACE.pattern}|[a-z-]+-[0-9a-f]{{32}}\.(parquet|sql)|writer")
"""Names that are given here: what has another is somebody's own, and stays."""
_SCRIPT_END = "-- whole, as of commit "


def place_of(path: str | Path) -> Path:
    """The one name of a lake's folder, by whichever way to it a person names it.

    A way by links is left as it is where the engine could not read the folder's own name.

    Raises:
        UsageError: it is no name.
    """
    if not str(path):
        raise UsageError("'': no folder of a lake: name it, or . for this one")
    real = os.path.realpath(path)
    return Path(path).absolute() if _UNFIT.search(real) else Path(real)


def fit_place(path: str | Path) -> Path:
    """`place_of` a lake that can be there.

    Raises:
        UsageError: as `place_of`.
        LakeError: no lake can have that name.
    """
    place = place_of(path)
    if unfit := _UNFIT.search(str(place)):
        raise LakeError(
            f"{str(place)!a}: the path of a lake cannot hold {unfit[0]!a}, for the engine"
            " takes it for a pattern or for no text: choose another folder"
        )
    return place


def is_made(place: Path) -> bool:
    """Whether there is a lake in a folder, or what is left of one."""
    return (place / "ledger.db").exists() or is_lost(place)


@cache
def _no_rows(kind: str) -> bytes:
    """The Parquet file of a table without rows."""
    content = pa.BufferOutputStream()
    pq.write_table(TABLES[kind].empty_table(), content)
    return content.getvalue().to_pybytes()


class Store:
    """Files and ledger of one lake."""

    def __init__(self, path: Path, *, create: bool) -> None:
        """Open a lake, or make it."""
        self.path = fit_place(path)
        ledger = self.path / "ledger.db"
        if create and not (ledger.exists() and not os.access(self.path, os.W_OK)):
            self._make()
        writable = os.access(self.path, os.W_OK)
        if writable and ledger.exists():
            self._make_folders()  # copies often lack those that were empty
        self.ledger = Ledger(ledger, create=create, writable=writable)
        self.writable = writable
        upgrade(self)
        if writable:
            with suppress(OSError):  # a full disk keeps nobody from reading
                self.write_script()

    def _make(self) -> None:
        """Make what a lake needs beside its ledger, which comes last: with it, it is a lake.

        Raises:
            LakeError: it would lie among the files of another lake, or another among its own.
        """
        for around in self.path.parents:
            among = self.path.relative_to(around).parts[0] in LAKE_FOLDERS
            if among and (around / "ledger.db").exists():
                raise LakeError(
                    f"{self.path}: lies among the files of the lake {around}: name that"
                )
        within = [self.path / name for name in LAKE_FOLDERS if is_made(self.path / name)]
        if within and not is_made(self.path):
            raise LakeError(f"{self.path}: {within[0]} is a lake itself: name that, or another")
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._make_folders()
        self.make_empties()
        if not (self.path / "ledger.db").exists():
            for folder in (self.path / "ledger", self.path, self.path.parent):
                sync(folder)

    def _make_folders(self) -> None:
        for name in LAKE_FOLDERS:
            (self.path / name).mkdir(exist_ok=True, mode=0o700)

    def make_empties(self, *, anew: bool = False) -> None:
        """Make the files that stand for tables without rows, where they are not or all anew."""
        for kind in TABLES:
            (self.path / kind).mkdir(exist_ok=True, mode=0o700) if kind in DATA_TABLES else None
            empty = self.empty(kind)
            if anew or not empty.exists():
                self._put(empty, _no_rows(kind))

    def _put(self, path: Path, content: bytes) -> None:
        """Put a whole file in its place, durable before it has its name."""
        part = self.path / "tmp" / f"{path.stem}-{uuid.uuid4().hex}{path.suffix}"
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def empty(self, kind: str) -> Path:
        """The file that stands for a table without rows."""
        return self.path / "ledger" / NO_ROWS.format(kind)

    def folder(self, kind: str) -> Path:
        """Where the files of a table lie."""
        return self.path / (kind if kind in DATA_TABLES else "ledger")

    def live(self, kind: str) -> list[Path]:
        """The live files of a table."""
        return [self.folder(kind) / name for name in self.ledger.live(kind)]

    def files(self) -> dict[str, list[str]]:
        """Table -> its live files; an empty file where it has none. `SPOKEN`, too."""
        live = self.ledger.live_by_kind()
        found = {
            kind: [str(self.folder(kind) / name) for name in live.get(kind, ())]
            or [str(self.empty(kind))]
            for kind in TABLES
        }
        spoken = live.get(SPOKEN, ())
        return found | {SPOKEN: [str(self.folder("events") / name) for name in spoken]}

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """A folder below `tmp/` for unfinished files; gone afterwards."""
        folder = self.path / "tmp" / f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise LakeError(
                f"{self.path}: the lake cannot be written ({error.strerror}): make it writable"
            ) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def spill(self) -> Iterator[Path]:
        """A folder for what does not fit into memory; gone afterwards."""
        with self.workspace() if self.writable else tempfile.TemporaryDirectory() as folder:
            yield Path(folder)

    @property
    def script(self) -> Path:
        """`open.sql`."""
        return self.path / "open.sql"

    def write_script(self) -> None:
        """Bring `open.sql` up to the latest commit.

        Of several writers the last to look finds its own commit or a later one; what a crash left
        behind is made good when the lake is opened next.
        """
        while (version := self.ledger.version()) != self.script_version():
            content = f"{views.script(self.files())}\n".encode()
            end = f"{_SCRIPT_END}{version}, its hash {xxh3_64_hexdigest(content)}\n"
            self._put(self.script, content + end.encode())

    def script_version(self) -> int | None:
        """The commit that `open.sql` shows; None where there is none, or not all of it."""
        try:
            with self.script.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 64))
                last = file.read().decode("utf-8", "replace")
        except OSError:
            return None
        _, found, number = last.rpartition(_SCRIPT_END)
        whole = found and re.fullmatch(r"(-?[0-9]+), its hash [0-9a-f]{16}\n", number)
        return int(whole[1]) if whole else None

    def script_is_as_written(self) -> bool:
        """Whether `open.sql` is what a commit wrote, to the last letter."""
        content, _, end = self.script.read_bytes().rpartition(_SCRIPT_END.encode())
        return end.rstrip().endswith(xxh3_64_hexdigest(content).encode())

    def collect_garbage(self, keep: timedelta = _KEPT) -> int:
        """Delete files replaced, left unfinished or never named more than a day ago; how many.

        Args:
            keep: how long files that were replaced stay.
        """
        moment = now() - _KEPT
        gone = []
        with self.ledger.writing(task="compact"):
            for kind, name in self.ledger.removed_before(now() - keep):
                (self.folder(kind) / name).unlink(missing_ok=True)
                gone.append(name)
            self.ledger.forget_segments(gone)
            # A crash after publishing leaves segments that no commit ever named.
            named = {name for _, name in self.ledger.named_files()}
            named |= {self.empty(kind).name for kind in TABLES}
            lying = [path for name in LAKE_FOLDERS for path in (self.path / name).iterdir()]
            for path in lying:
                ours = _UNFINISHED if path.parent.name == "tmp" else _SEGMENT
                if path.name in named or not ours.fullmatch(path.name):
                    continue
                worker = _WORKSPACE.fullmatch(path.name)
                oldest = moment - _WORKED if worker and lives(int(worker[1])) else moment
                with suppress(FileNotFoundError):  # another process has given it its name
                    if datetime.fromtimestamp(path.stat().st_mtime, tz=moment.tzinfo) < oldest:
                        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
                        gone.append(path.name)
        return len(gone)
