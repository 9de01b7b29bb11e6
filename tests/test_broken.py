"""The files of `data/broken` become what `data/README.md` says."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from pipeline import open_lake

BROKEN = Path(__file__).parents[1] / "data" / "broken"
BECOMES: dict[str, tuple[int, dict[str, int], str]] = {
    "bad-time.jsonl": (2, {"bad_time": 3}, "new"),
    "chat-training-rows.jsonl": (0, {}, "new"),
    "cut-off.jsonl": (3, {"cut_off": 1}, "new"),
    "invalid-utf8.jsonl": (3, {"invalid_utf8": 1}, "new"),
    "lone-surrogate.jsonl": (3, {"lone_surrogate": 1}, "new"),
    "malformed.jsonl": (3, {"malformed_json": 4}, "new"),
    "missing-field.jsonl": (2, {"missing_field": 4}, "new"),
    "no-event.jsonl": (3, {"not_an_object": 4, "unknown_object": 1}, "new"),
    "picture.png": (0, {}, "refused"),
    "truncated.jsonl.gz": (1, {"corrupt_compression": 1, "cut_off": 1}, "new"),
    "truncated.jsonl.zst": (0, {}, "refused"),
    "wrong-type.jsonl": (2, {"wrong_type": 7}, "new"),
}
"""File -> its events, its rejects by reason, and what became of it."""


@pytest.mark.parametrize("name", sorted(path.name for path in BROKEN.iterdir()))
def test_what_becomes_of_a_broken_file(name: str, tmp_path: Path) -> None:
    """Events are kept, each reject has its reason, what cannot be read is refused: what to do."""
    with open_lake(tmp_path / "lake") as lake:
        (source,) = lake.ingest(BROKEN / name).sources
        kept = Counter(lake.view("rejects")["reason"].to_list())
    assert (source.events, source.rejects, source.status) == BECOMES[name]
    assert kept == source.rejects
    assert source.problem is None or re.search(r": \w.*: (?:give|leave) ", source.problem)
    assert source.ignored == ({"chat training row": 3} if name.startswith("chat") else {})


def test_the_readme_names_every_broken_file() -> None:
    """With the number of its events and the reasons of its rejects."""
    rows = (BROKEN.parent / "README.md").read_text(encoding="utf-8").splitlines()
    for name, (events, reasons, status) in BECOMES.items():
        (row,) = [row for row in rows if row.startswith(f"| `{name}` |")]
        assert all(f"`{reason}`" in row for reason in reasons)
        assert ("refused" in row) == (status == "refused")
        assert not events or f"{events} event" in row
