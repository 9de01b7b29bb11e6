"""How tests look a lake over."""

from __future__ import annotations

from pathlib import Path

from pipeline import open_lake
from pipeline.lake.verify import Verification


def verified(path: Path) -> Verification:
    """What is found in a lake."""
    with open_lake(path, create=False) as lake:
        return lake.verify()
