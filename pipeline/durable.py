"""What a power cut must not take."""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Make durable what is in a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
