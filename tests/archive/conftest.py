"""Tests of the archive wait for no disk and read no certificates; processes that are killed do."""

from __future__ import annotations

import os
import ssl

import pytest


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting for the disk in this process."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(autouse=True)
def uncertified(monkeypatch: pytest.MonkeyPatch) -> None:
    """No list of authorities for each client: their servers here speak plain HTTP."""
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *args, **named: None)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their servers may be asked again sooner than any other."""
    monkeypatch.setattr("pipeline.cli.watch.LEAST_SECONDS", 0.1)
