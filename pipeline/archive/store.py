"""An archive's folder: raw bodies and their manifest, durable in this order."""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from pipeline.archive import manifest
from pipeline.archive.chains import Histories, Line
from pipeline.archive.layout import is_body, is_named, locked, named, unnamed
from pipeline.durable import sync
from pipeline.zstd import zstd

_WAITING = 256  # bodies on their way to the disk
_SYNCS = 16  # files synced side by side: the file system commits them together
_PARAMETERS: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 3,
    zstd.CompressionParameter.checksum_flag: 1,
}


@dataclass(slots=True)
class _Kept:
    line: Line
    path: Path | None = None
    packed: bytes = b""


class Store:
    """The folder while it is written: one process, any of its threads.

    Bodies become durable in batches, in a thread of their own: first the files, then their folders,
    then the lines that name them.
    """

    def __init__(self, folder: Path) -> None:
        """Open or make the folder, read its manifest, and drop what an interrupted run left.

        Raises:
            LakeError: another process writes it.
            UsageError: it holds something else; it is as it was.
        """
        self.folder = folder
        self._lock = locked(folder)
        self.histories = Histories()
        self._paths: dict[str, int] = {}
        self._link, self._end, breaks, lost = self._read()
        self.mended = len(lost)
        self._durable = self.files
        self._walks = count(self.histories.walks + 1)
        self._queue: queue.Queue[_Kept | None] = queue.Queue(_WAITING)
        self._error: BaseException | None = None
        self._mutex = threading.Lock()
        self._thread = threading.Thread(target=self._commit_all, daemon=True)
        self._thread.start()
        if breaks or lost:
            self.keep({"kind": "mend", "breaks": breaks, "lost": lost})
        self._adopt_strays()

    # -- reading --------------------------------------------------------------------------------

    def _read(self) -> tuple[str, int, list[int], list[str]]:
        path = self.folder / manifest.NAME
        reader = manifest.Manifest(path)
        told: set[int] = set()
        lost: dict[str, None] = {}
        for number, line in reader.lines():
            self.histories.add(line, number)
            if line["kind"] == "mend":
                told.update(line["breaks"])
                for name in line["lost"]:
                    self._paths.pop(name, None)
            if name := line.get("path"):
                self._paths[name] = line["stored"]
        if reader.torn:
            os.truncate(path, reader.end)
        for name, size in self._paths.items():
            file = self.folder / name
            if not file.is_file() or file.stat().st_size != size:
                lost[name] = None
        breaks = [number for number in reader.breaks if number not in told]
        doubtful = (reader.breaks[number].get("path") for number in breaks)
        lost |= {name: None for name in doubtful if name in self._paths}
        for name in lost:
            del self._paths[name]
        if lost:
            self.histories.add({"kind": "mend", "breaks": breaks, "lost": list(lost)}, 0)
        return reader.link, reader.end, breaks, list(lost)

    def _adopt_strays(self) -> None:
        """Name the whole bodies that no line names, and delete those of ours that were cut off.

        Files of another name, and whole ones whose name is not of their content, are somebody's.
        """
        for file in list(unnamed(self.folder, self._paths)):
            name = file.relative_to(self.folder).as_posix()
            if not is_body(name):
                continue
            try:
                body = self.read(name)
            except ValueError:
                file.unlink()
                continue
            if not is_named(name, body):
                continue
            digest = hashlib.sha256(body).hexdigest()
            size = self._paths[name] = file.stat().st_size
            line = {"bytes": len(body), "sha256": digest, "path": name, "stored": size}
            self.keep({"kind": "stray", **line})
            self._durable.append(file)

    def read(self, path: str) -> bytes:
        """The body in a file of the archive.

        Raises:
            ValueError: the file is damaged.
        """
        try:
            packed = (self.folder / path).read_bytes()
            if not packed:
                raise EOFError("it is empty")
            return zstd.decompress(packed)
        except (zstd.ZstdError, EOFError) as error:
            raise ValueError(f"{path}: damaged: {error}") from None

    @property
    def files(self) -> list[Path]:
        """Files of all bodies kept, in the order of the manifest."""
        return [self.folder / name for name in list(self._paths)]

    def durable(self) -> list[Path]:
        """Files whose lines are durable, in their order: as `files`, but while it is written."""
        return list(self._durable)

    # -- writing --------------------------------------------------------------------------------

    def next_walk(self) -> int:
        """A number that no walk has."""
        with self._mutex:
            return next(self._walks)

    def keep(
        self, line: Line, body: bytes | None = None, place: str = "", suffix: str = ""
    ) -> Line:
        """Keep a line, and the body it is about; it is durable after `flush`.

        A body whose file is there already is not written again: the name tells the content.

        Args:
            line: its kind and what is known of the response.
            body: the body, without secrets.
            place: beginning of the file's name, below `raw/`.
            suffix: its end.

        Returns:
            The line as it will be written.

        Raises:
            OSError: an earlier body could not be written.
        """
        if self._error is not None:
            raise self._error
        if body is None:
            self._queue.put(_Kept(line))
            return line
        name, digest = named(body, place, suffix)
        line = {**line, "bytes": len(body), "sha256": digest, "path": name}
        packed = b"" if name in self._paths else zstd.compress(body, options=_PARAMETERS)
        with self._mutex:  # a line must not overtake the file it names
            new = name not in self._paths
            line["stored"] = self._paths.setdefault(name, len(packed))
            self._queue.put(_Kept(line, self.folder / name, packed) if new else _Kept(line))
        return line

    def is_at(self, path: str, body: bytes, place: str, suffix: str) -> bool:
        """Whether that file holds this body."""
        return path in self._paths and path == named(body, place, suffix)[0]

    def flush(self) -> None:
        """Wait until all that was kept is durable.

        Raises:
            OSError: it could not be written.
        """
        self._queue.join()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Write what is left and let others write."""
        self._queue.put(None)
        self._thread.join()
        os.close(self._lock)
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _commit_all(self) -> None:
        with ThreadPoolExecutor(_SYNCS) as pool:
            ending = False
            while not ending:
                batch = [self._queue.get()]
                while len(batch) < _WAITING and not self._queue.empty():
                    batch.append(self._queue.get())
                kept = [item for item in batch if item is not None]
                ending = len(kept) < len(batch)
                try:
                    if self._error is None and kept:
                        self._commit(kept, pool)
                except BaseException as error:
                    if isinstance(error, OSError) and error.filename is None:
                        error.filename = str(self.folder)
                    self._error = error
                for _ in batch:
                    self._queue.task_done()

    def _commit(self, batch: list[_Kept], pool: ThreadPoolExecutor) -> None:
        files = [(item.path, item.packed) for item in batch if item.path is not None]
        folders = {path.parent for path, _ in files}
        new = [folder for folder in folders if not folder.exists()]
        for folder in new:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        list(pool.map(lambda file: _write(*file), files))
        list(pool.map(sync, folders | {folder.parent for folder in new}))
        raw, link = manifest.encode([item.line for item in batch], self._link)
        path = self.folder / manifest.NAME
        fresh = not path.exists()
        _write(path, raw, "ab")
        if fresh:
            sync(self.folder)
        self._link = link
        self._durable += [path for path, _ in files]


def _write(path: Path, data: bytes, mode: str = "wb") -> None:
    """Write to a file that is its owner's alone; durable when it returns, but for its name."""
    with open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
