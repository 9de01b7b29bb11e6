"""A ledger in a folder that may not be written: SQLite cannot make its lock files there."""

from __future__ import annotations

from pathlib import Path

Mark = tuple[object, ...] | None


def read_only(path: Path) -> str:
    """A URI for such a ledger.

    Without other writers' unfinished business beside it, it is read as a file that nobody
    changes, of which SQLite keeps what it has read.
    """
    busy = path.with_name(f"{path.name}-wal")
    quiet = not busy.exists() or busy.stat().st_size == 0
    return f"{path.as_uri()}?mode=ro" + ("&immutable=1" if quiet else "")


def mark(path: Path, *, locks: bool) -> Mark:
    """What tells a ledger from another one at its path; None where there is none.

    Args:
        path: the ledger.
        locks: SQLite sees what others commit; else the file's states are told apart, too.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    state = () if locks else (found.st_mtime_ns, found.st_size, read_only(path))
    return (found.st_dev, found.st_ino, *state)
