"""What a lake draws: charts over its own connection."""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock
from typing import TYPE_CHECKING, Literal

from pipeline.charts.read import VIEWS
from pipeline.extras import extra

if TYPE_CHECKING:
    import altair as alt
    import duckdb


class Drawn:
    """The charts of a lake, for notebooks. They need `tunelog[report]`.

    Jobs are named by their ids, or by beginnings that no other id has. All charts can be panned
    and zoomed, tell a point's values under the pointer, and hold their data in them: long curves
    are thinned to `points` each, but keep every extreme, best step and odd value.
    """

    _turn: RLock
    """Whoever uses the connection holds it."""

    def _connection(self, wanted: set[str] | None) -> duckdb.DuckDBPyConnection:
        raise NotImplementedError

    def curve(
        self,
        job: str,
        *,
        metrics: Sequence[str] = (),
        smoothing: float = 0.0,
        log: bool = False,
        attempts: bool = False,
        points: int = 1_000,
        width: int = 640,
        height: int = 300,
    ) -> alt.VConcatChart:
        """One job's losses, or its rewards: a plot for each, best step and checkpoints marked.

        Args:
            job: the job.
            metrics: names of metrics, or patterns with ``*`` and ``?``, instead.
            smoothing: weight of the past, from 0 (none) to less than 1, as in TensorBoard; the
                points as they were measured stay, faint, and what has less than a third of the
                points of the densest metric, as validation, is not smoothed.
            log: logarithmic y axes; points at or below 0 are left out.
            attempts: each attempt of a job that restarted, by itself.
            points: most finite points of a curve; fewer where there are many curves.
            width: of a plot [pixel].
            height: of a plot [pixel].

        Raises:
            LakeError: Altair is not installed.
            UsageError: no such job or metric, or nothing of it to draw.
        """
        extra("altair", "lake.curve")
        from pipeline.charts.curve import curve_chart

        with self._turn:
            return curve_chart(
                self._connection({*VIEWS}), job, metrics=metrics, smoothing=smoothing, log=log,
                attempts=attempts, points=points, width=width, height=height,
            )  # fmt: skip

    def compare(
        self,
        *jobs: str,
        metrics: Sequence[str] = (),
        by: Literal["step", "share"] = "step",
        smoothing: float = 0.0,
        log: bool = False,
        points: int = 1_000,
        width: int = 640,
        height: int = 300,
    ) -> alt.VConcatChart:
        """Several jobs' curves over one another: a colour for each job, a dash for each metric.

        Args:
            *jobs: the jobs.
            metrics: as in `curve`.
            by: what they are laid side by side by: the step, or the share of the training that
                was done, from 0 to 1, for jobs of different length.
            smoothing: as in `curve`.
            log: as in `curve`.
            points: as in `curve`.
            width: as in `curve`.
            height: as in `curve`.

        Raises:
            LakeError: Altair is not installed.
            UsageError: no such job or metric, or nothing of them to draw.
        """
        extra("altair", "lake.compare")
        from pipeline.charts.curve import compare_chart

        with self._turn:
            return compare_chart(
                self._connection({*VIEWS}), jobs, metrics=metrics, by=by, smoothing=smoothing,
                log=log, points=points, width=width, height=height,
            )  # fmt: skip

    def timeline(
        self,
        job: str,
        *,
        around: int | None = None,
        window: int = 10,
        points: int = 1_000,
        width: int = 640,
        height: int = 220,
    ) -> alt.VConcatChart:
        """One job's losses or rewards over time, and below them what was logged, a row a kind.

        Args:
            job: the job.
            around: only what was logged near this step, and said before an attempt that begins
                there.
            window: how far from it [step].
            points: as in `curve`.
            width: of the plots [pixel].
            height: of the plot of numbers [pixel].

        Raises:
            LakeError: Altair is not installed.
            UsageError: no such job, or nothing was logged there.
        """
        extra("altair", "lake.timeline")
        from pipeline.charts.timeline import timeline_chart

        with self._turn:
            return timeline_chart(
                self._connection({"timeline"}), job, around=around, window=window,
                points=points, width=width, height=height,
            )  # fmt: skip
