"""How hypothesis runs: the same examples everywhere, no clock, no search for smaller ones.

And where tests run: side by side, with a core for each process, in memory if there is enough.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "tunelog",
    deadline=None,
    derandomize=True,
    print_blob=False,
    database=None,
    # A whole lake for each example: shrinking one would take minutes.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,  # connections that each example fills anew
    ],
)
settings.load_profile("tunelog")

# What a shell starts in the background ignores interrupts, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

MEMORY = Path("/dev/shm")
"""Here thousands of small lakes wait for no disk. Power cuts and kills are tried on it as well."""
MUCH = 2 << 30
"""What has to be free there [byte]."""
if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MUCH:
    os.environ["TMPDIR"], tempfile.tempdir = str(MEMORY), None

SHARING = ("tests/report", "tests/report_page")
"""Folders whose tests share what takes seconds to make."""

SEVERAL_CORES = {
    "test_compaction",
    "test_crash",
    "test_ingest",
    "test_lake",
    "test_lake_writers",
    "test_laws",
}
"""Here threads and processes have to come by each other."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file's tests go to one process, as do those of a folder that share a browser or lake."""
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            folder, _, file = super()._split_scope(nodeid).rpartition("/")
            return folder if folder.endswith(SHARING) else f"{folder}/{file}"

    return Together(config, log)


@pytest.fixture
def childless() -> Iterator[None]:
    """No process that answers queries is left when the test ends."""
    from escapes.place import children

    before = children()
    yield
    gc.collect()
    assert children() <= before


@pytest.fixture(autouse=True, scope="module")
def core(request: pytest.FixtureRequest) -> Iterator[None]:
    """A core for each process of tests: engines with a thread a core get in each other's way."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    name = request.module.__name__.rpartition(".")[2]
    if not worker or name in SEVERAL_CORES or not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(cores)[int(worker[2:]) % len(cores)]})
    yield
    os.sched_setaffinity(0, cores)
