"""Who writes a lake at the moment: a note for those who wait, with no say in who may write."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class Holder:
    """The note that whoever holds the write lock leaves in a file, and takes away again.

    It is a courtesy: the lock is the ledger's, a note that cannot be written stops nobody, and
    that of a process which died is not believed.
    """

    def __init__(self, path: Path) -> None:
        """Use a file for the note."""
        self._path = path

    def enter(self, task: str) -> None:
        """Leave the note; the lock must be held."""
        now = datetime.now(UTC).replace(microsecond=0)
        note = {"pid": os.getpid(), "host": socket.gethostname(), "task": task, "since": f"{now}"}
        with suppress(OSError):
            self._path.write_text(json.dumps(note), encoding="utf-8")

    def leave(self) -> None:
        """Take the note away; the lock must still be held, or it might be another's."""
        with suppress(OSError):
            self._path.unlink()

    def described(self) -> str | None:
        """Who holds the lock, in words for a sentence; None where no living process says so."""
        try:
            note: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
            here = note["host"] == socket.gethostname()
            if here and not lives(int(note["pid"])):
                return None
            place = "" if here else f" on {note['host']}"
            return f"process {note['pid']}{place} ({note['task']}, since {note['since']})"
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return None


def lives(process: int) -> bool:
    """Whether a process of this machine is there."""
    try:
        os.kill(process, 0)
    except PermissionError:  # it lives, under another user
        return True
    except (OSError, OverflowError):
        return False
    return True
