"""A lake made while archiving, one made from the archive later, one of the truth: the same."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from unittest import mock

import keeping
from hypothesis import given
from hypothesis import strategies as st
from server import KEY, NOW, Api, an_event, newest_first, serving
from strategies import examples
from test_archive_laws import accounts
from test_laws import analytical, differences

from pipeline import open_lake
from pipeline.cli import run
from pipeline.errors import ExitCode
from pipeline.lake.lake import Lake

SOME = ["events", "jobs", "loss_curves", "checkpoints", "result_points"]
CELLS = st.sampled_from(["", "0.5", "1", "2.25", "1e-5", "0.125"])


@st.composite
def known(draw: st.DrawFn) -> Api:
    """An account whose result files and checkpoints tell more than its events do."""
    api = draw(accounts())
    api.faults.clear()
    api.before = lambda path: None
    head = "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
    for name, (about, _) in api.files.items():
        rows = [f"{step}," + ",".join(draw(st.tuples(*[CELLS] * 4))) for step in range(1, 5)]
        content = "\n".join([head, *rows, ""]).encode()
        api.files[name] = {**about, "bytes": len(content)}, content
    for item in api.jobs:
        item["hyperparameters"] = {"n_epochs": draw(st.sampled_from(["auto", 3]))}
        item["trained_tokens"] = draw(st.integers(0, 9_999))
        item["error"] = {"code": "x", "message": "m"} if item["status"] == "failed" else None
    return api


@examples(3)
@given(known(), st.booleans())
def test_the_lake_is_that_of_the_raw_bodies_and_of_the_truth(api: Api, again: bool) -> None:
    """Events, companions and views: of `--lake`, of `ingest DIR`, of what the server holds."""
    with tempfile.TemporaryDirectory() as folder, serving(api):
        out, lake = Path(folder) / "a", Path(folder) / "l"
        archived(api, out, lake)
        running = [item["id"] for item in api.jobs if item["status"] == "running"]
        if again:
            for job in running:
                more = [an_event(job, 200 + n, NOW - 9_000 + n) for n in range(5)]
                api.events[job] = [*api.events[job], *more]
            archived(api, out, lake)
        with (
            open_lake(lake) as ours,
            of(Path(folder) / "plain", out) as plain,
            of(Path(folder) / "true", dumped(api, Path(folder) / "truth")) as true,
        ):
            wanted = analytical(true, SOME)
            assert sum("Step" in row for row in wanted["events"]) == sum(
                map(len, api.events.values())
            )
            assert not differences(analytical(ours, SOME), wanted)
            assert not differences(analytical(plain, SOME), wanted)


def archived(api: Api, out: Path, lake: Path) -> None:
    """One run of the command."""
    names = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": api.url}
    if api.azure:
        names = {"AZURE_OPENAI_API_KEY": KEY, "OPENAI_API_VERSION": keeping.VERSION}
        names["AZURE_OPENAI_ENDPOINT"] = api.url
    with mock.patch.dict(os.environ, names):
        assert run(["archive", "--out", str(out), "--lake", str(lake)]) == ExitCode.OK


def of(folder: Path, dumps: Path) -> Lake:
    """A lake of dumps."""
    lake = open_lake(folder)
    found = lake.ingest([dumps])
    assert not found.refused and not found.reject_count
    return lake


def dumped(api: Api, folder: Path) -> Path:
    """All that the server holds, as one might have saved it: a file for each thing."""
    page = {"object": "list", "has_more": False}
    for job, events in api.events.items():
        (folder / job).mkdir(parents=True)
        for name, items in (("events", events), ("checkpoints", api.checkpoints[job])):
            text = json.dumps({**page, "data": newest_first(items)})
            (folder / job / f"{name}.json").write_text(text)
    folder.mkdir(exist_ok=True)
    (folder / "jobs.json").write_text(json.dumps({**page, "data": api.jobs[::-1]}))
    for job in api.jobs:
        for name in job["result_files"]:
            (folder / job["id"] / f"{name}.csv").write_bytes(api.files[name][1])
    return folder
