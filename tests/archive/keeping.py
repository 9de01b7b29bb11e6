"""An archive in a test: runs of it, and what it holds against what the server has."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import server

from pipeline.archive import manifest, pages
from pipeline.archive.account import Account, connect
from pipeline.archive.run import Report, Run
from pipeline.archive.store import Store
from pipeline.archive.verify import verify
from pipeline.telling import Finding

VERSION = "2025-04-01-preview"
A, B, C = (f"ftjob-{letter * 24}" for letter in "ABC")


def small(*, azure: bool = False, cap: int = 3) -> server.Api:
    """Three jobs: one that ended, one that runs, one that failed with nothing to show."""
    api = server.Api(azure=azure, cap=cap)
    events = [server.an_event(A, n, server.NOW - 90_000 + n // 2) for n in range(10)]
    files = {"file-aaa": b"step,train_loss\n1,0.5\n", "file-b64": b"c3RlcCx0cmFpbl9sb3NzCg=="}
    api.add(A, events, checkpoints=4, files=files)
    api.add(
        B, [server.an_event(B, n, server.NOW - 5_000 + 30 * n) for n in range(8)], status="running"
    )
    api.add(C, [], status="failed", error={"code": "x", "message": "bad file", "param": None})
    return api


@contextmanager
def account(api: server.Api, **settings: Any) -> Iterator[Account]:
    """The account of a server, by the environment, with a back-off of no length."""
    names = {"AZURE_OPENAI_API_KEY": server.KEY} if api.azure else {"OPENAI_API_KEY": server.KEY}
    if api.azure:
        settings |= {"azure_endpoint": api.url, "api_version": VERSION}
    else:
        names["OPENAI_BASE_URL"] = api.url
    quick = mock.patch("openai._base_client.INITIAL_RETRY_DELAY", 0.001)
    with mock.patch.dict(os.environ, names), quick:
        found = connect(**settings)
        try:
            yield found
        finally:
            found.close()


def run(
    api: server.Api,
    out: Path,
    *,
    jobs: Sequence[str] = (),
    since: float | None = None,
    again: bool = False,
    **how: Any,
) -> Report:
    """One run of the archive."""
    with account(api, **how) as found, Store(out) as store:
        made = Run(store, found, again=again)
        return made.archive(jobs, since)


def lines(out: Path) -> list[dict[str, Any]]:
    """The manifest."""
    return [line for _, line in manifest.Manifest(out / manifest.NAME).lines()]


def standing(out: Path) -> list[dict[str, Any]]:
    """The lines that are believed: not those of files that a later line calls lost."""
    found: list[dict[str, Any]] = []
    for line in lines(out):
        if line["kind"] == "mend":
            found = [known for known in found if known.get("path") not in line["lost"]]
        found.append(line)
    return found


def held(out: Path, kind: str) -> dict[str, list[dict[str, Any]]]:
    """The different items of a list, by job, as the pages in the archive have them."""
    found: dict[str, dict[str, Any]] = {}
    with Store(out) as store:
        for line in standing(out):
            if line["kind"] == kind:
                page = pages.page(pages.parsed(store.read(line["path"])))
                job = found.setdefault(line["job"], {})
                for item in page.items:
                    assert job.setdefault(item["id"], item) == item
    return {job: list(items.values()) for job, items in found.items()}


def assert_equal(out: Path, api: server.Api) -> None:
    """The archive holds what the server holds, each item once, and proves it."""
    for kind, truth in (("events", api.events), ("checkpoints", api.checkpoints)):
        have = held(out, kind)
        assert have.keys() == truth.keys()
        for job, items in truth.items():
            assert sorted(map(_text, have[job])) == sorted(map(_text, items)), job
    contents = {line["file"]: line["path"] for line in standing(out) if line["kind"] == "content"}
    with Store(out) as store:
        found = {name: store.read(path) for name, path in contents.items()}
    assert found == {name: content for name, (_, content) in api.files.items()}
    assert faults(out) == []


def faults(out: Path) -> list[Finding]:
    """What the verification finds."""
    return verify(out).faults


def _text(item: dict[str, Any]) -> str:
    return json.dumps(item, sort_keys=True)
