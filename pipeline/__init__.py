"""tunelog: fine-tuning event dumps in, a Parquet lake and DuckDB views out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.lake.lake import Lake, open_lake

__all__ = ["Lake", "open_lake"]


def __getattr__(name: str) -> Any:
    # Late, so that `tunelog --help` does not wait for the engine.
    if name in __all__:
        from pipeline.lake import lake

        return getattr(lake, name)
    raise AttributeError(f"module 'pipeline' has no attribute '{name}'")
