"""`tunelog` in a folder of its own, or beside a lake of the samples."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import SAMPLES, Run, environment, start
from zygote import Ended, started


@pytest.fixture
def tunelog(tmp_path: Path) -> Run:
    """Run `tunelog` in an empty folder."""

    def run(*args: str, stdin: str = "", code: int = 0, **env: str) -> Ended:
        done = started().run(args, cwd=tmp_path, env=environment(**env), stdin=stdin)
        assert done.code == code, (args, done)
        if code:
            assert done.stderr.strip(), "a failure says why"
            assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake of the samples, for tests that only read."""
    folder = tmp_path_factory.mktemp("samples")
    process = start(["ingest", str(SAMPLES)], folder)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, (out, err)
    return folder


@pytest.fixture
def ask(samples: Path) -> Run:
    """Run `tunelog` in the folder of the samples."""

    def run(*args: str, stdin: str = "", **env: str) -> Ended:
        done = started().run(args, cwd=samples, env=environment(**env), stdin=stdin)
        assert done.code == 0, (args, done)
        return done

    return run
