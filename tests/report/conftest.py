"""What the report tells of the samples, and of messages made to break out of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from report_lakes import SAMPLES, hostile_lake

from pipeline import open_lake
from pipeline.lake.lake import Lake
from pipeline.report.gather import Facts, facts, reads


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """What a report tells of messages made to break out of it."""
    folder = tmp_path_factory.mktemp("hostile")
    with hostile_lake(folder) as lake, lake.connect(reads()) as con:
        return facts(con)


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake of the samples."""
    with open_lake(tmp_path_factory.mktemp("samples")) as lake:
        lake.ingest([SAMPLES])
        yield lake


@pytest.fixture(scope="session")
def told(samples: Lake) -> Facts:
    """What the report tells of the samples."""
    with samples.connect(reads()) as con:
        return facts(con)
