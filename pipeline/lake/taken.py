"""What was staged of sources, and what they tell of its streams."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.lake.segments import Staged


@dataclass
class Taken:
    """What an intake staged.

    Attributes:
        events: files of events whose job is known.
        pending: files of events whose job is not: job_id holds the stream's id.
        rejects: files of rejects.
        companions: files of what lies beside events.
        ties: pairs of a pending stream, or of a job without a name in the lake, and the job it is,
            as it goes on.
        copies: the same, as another copy of its content tells.
        mixed: pending streams whose events may be of several jobs.
        replaced: sources of the lake that are to go if all that they brought comes again, and the
            one that begins with each.
    """

    events: list[Staged] = field(default_factory=list)
    pending: list[Staged] = field(default_factory=list)
    rejects: list[Staged] = field(default_factory=list)
    companions: list[Staged] = field(default_factory=list)
    ties: set[tuple[str, str]] = field(default_factory=set)
    copies: set[tuple[str, str]] = field(default_factory=set)
    mixed: set[str] = field(default_factory=set)
    replaced: dict[str, str] = field(default_factory=dict)

    def add(self, more: Taken) -> None:
        """Take over what another intake staged."""
        for kind in ("events", "pending", "rejects", "companions"):
            getattr(self, kind).extend(getattr(more, kind))
