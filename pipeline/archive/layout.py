"""Where an archive's files lie, and which folder is one: told before anything in it is changed."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Container, Iterator
from pathlib import Path
from urllib.parse import quote

from pipeline.archive import manifest
from pipeline.errors import LakeError, UsageError

RAW, LOCK = "raw", ".lock"
_LONGEST = 150  # of a part of a path, before its hash [character]
_BODY = re.compile(
    rf"{RAW}/[^/]+/(?:jobs?|(?:events|checkpoints)-\w+|(?:about|result)-[^/]+)"
    r"-[0-9a-f]{12}\.(?:json|csv)\.zst"
)


def named(body: bytes, place: str, suffix: str) -> tuple[str, str]:
    """The name of a body's file, below the archive, and the body's hash."""
    digest = hashlib.sha256(body).hexdigest()
    short = "/".join(part[:_LONGEST] for part in place.split("/"))
    return f"{RAW}/{short}-{digest[:12]}{suffix}.zst", digest


def is_named(name: str, body: bytes) -> bool:
    """Whether a file's name is that of a body with this content."""
    return f"-{hashlib.sha256(body).hexdigest()[:12]}." in name.rpartition("/")[2]


def is_body(name: str) -> bool:
    """Whether a file below the archive has a name as only an archive gives."""
    return _BODY.fullmatch(name) is not None


def safe(identity: str) -> str:
    """An id of the server's as one part of a URL or of a path."""
    name = quote(identity, safe="", errors="surrogatepass")  # JSON can hold half a character
    return f"%2E{name[1:]}" if name.startswith(".") else name


def unnamed(folder: Path, names: Container[str]) -> Iterator[Path]:
    """Files below `raw/` that no line of the manifest names."""
    for file in sorted((folder / RAW).rglob("*")):
        if file.relative_to(folder).as_posix() not in names and not file.is_dir():
            yield file


def stranger(folder: Path) -> str | None:
    """What shows that a folder is no archive, None of one, an empty one, or one just begun.

    A manifest of ours is enough. Without it, or with the beginning of its first line, as a kill
    leaves them, there may be nothing that an archive would not have made.
    """
    path = folder / manifest.NAME
    ours = manifest.is_ours(path) if path.is_file() else None
    if ours is not None:
        return None if ours else manifest.NAME
    for entry in sorted(folder.iterdir()):
        if entry.name == RAW and entry.is_dir():
            continue
        empty_lock = entry.name == LOCK and entry.is_file() and not entry.stat().st_size
        if not (empty_lock or (entry == path and entry.is_file())):
            return entry.name
    names = (file.relative_to(folder).as_posix() for file in unnamed(folder, ()))
    return next((name for name in names if not is_body(name)), None)


def locked(folder: Path) -> int:
    """Make the folder an archive that no other process writes, until the handle is closed.

    Raises:
        LakeError: another process writes it.
        UsageError: it holds something else, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is no folder: name one with --out")
    if folder.is_dir() and (found := stranger(folder)):
        raise UsageError(
            f"{folder}: holds something else than an archive ({found}): name another with --out"
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / RAW).mkdir(mode=0o700, exist_ok=True)
    handle = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        return handle
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise LakeError(
            f"{folder}: another process writes this archive: wait for it, or name another with"
            " --out"
        ) from None
    return handle
