"""Lets these tests use what the crash tests know of whole lakes."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "crash"))
