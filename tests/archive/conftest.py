"""Tests of the archive do not wait for the disk; processes that are killed do."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting for the disk in this process."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
