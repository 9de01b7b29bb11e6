"""Packages of the extra `report`, which only some commands need: imported when they are."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pipeline.errors import LakeError


def extra(module: str, wanted_by: str) -> Any:
    """The module of an optional package.

    Args:
        module: its name.
        wanted_by: the command or function that needs it, for the error.

    Raises:
        LakeError: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:  # it is there, and what it needs is not: that is another story
            raise
        text = f"{wanted_by}: {module} is not installed: pip install 'tunelog[report]'"
        raise LakeError(text) from error
