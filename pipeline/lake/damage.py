"""Damaged files of a lake: looked for where the engine fails, to tell them from its mistakes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from shlex import quote

from pipeline.errors import LakeError
from pipeline.lake.segments import hash_of

_HASH_LETTERS = 32
_MISSING = "is missing"


def damage(files: Iterable[str | Path]) -> LakeError | None:
    """An error that names the first file that is not there, or not what its name says.

    Engines report a damaged file in many ways, and some of them as they report a wrong query.

    Args:
        files: absolute paths of a lake's files, as `Store.files` gives them.
    """
    for path in map(Path, files):
        if problem := _problem(path):
            lake = path.parents[1]
            see = f"see `tunelog verify --lake {quote(str(lake))}`"
            if problem == _MISSING:
                see = f"repeat the command if `tunelog compact` ran meanwhile, else {see}"
            return LakeError(f"{lake}: {path.relative_to(lake)} {problem}: {see}")
    return None


def _problem(path: Path) -> str | None:
    try:
        named_by_content = len(path.stem) == _HASH_LETTERS
        if named_by_content and hash_of(path) != path.stem:
            return "is damaged"
        path.stat()
    except FileNotFoundError:
        return _MISSING
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None
