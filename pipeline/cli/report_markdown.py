"""The report as Markdown: a few lines that a pull request or an issue can hold.

What events say stands in code spans, where nothing is markup, a mention or a reference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pipeline.cli.markdown import quoted, safe
from pipeline.cli.summary import job_columns
from pipeline.cli.table import markdown_lines
from pipeline.figures import count, significant
from pipeline.measured import measured_by
from pipeline.report.details import all_advice, all_findings
from pipeline.report.gather import Facts
from pipeline.report.words import METRICS, NOTE, Advice, Finding

JOBS, FINDINGS, ADVICE, KINDS = 20, 30, 15, 10
"""Most jobs, findings, advised checkpoints and kinds of problems that are listed."""


def lines(facts: Facts) -> Iterator[str]:
    """The lines of the report, without line ends.

    Args:
        facts: What the views answered.
    """
    jobs = facts.jobs.to_dicts()
    states = Counter(job["status"] for job in jobs)
    told = ", ".join(f"{n:,} {safe(state)}" for state, n in states.most_common())
    yield f"## {count(len(jobs), 'fine-tuning job')}" + (f": {told}" if told else "")
    yield ""
    if not jobs:
        yield "This lake holds no job yet: `tunelog ingest PATH`."
        return
    bests = {row["job_id"]: row for row in facts.frames["best_steps"].to_dicts()}
    measured = [measured_by(job, bests.get(job["job_id"])) for job in jobs[:JOBS]]
    yield from markdown_lines(job_columns(jobs[:JOBS], measured, " (running median)", METRICS))
    yield from _more(len(jobs) - JOBS, "jobs")
    failures = facts.failures.to_dicts()
    yield from _failures(failures)
    failed = {job["job_id"] for job in jobs if job["status"] == "failed"}
    found = all_findings(facts)
    yield from _findings(found, failed)
    advised = all_advice(facts)
    # that the last is to be used is worth a line where there is but one job to speak of
    listed = {
        job: one for job, one in advised.items() if one.gains or one.is_blocked or len(jobs) == 1
    }
    unlisted = {job: one for job, one in advised.items() if job not in listed}
    yield from _best(facts.frames["leaderboard"].to_dicts(), bests, unlisted)
    yield from _advice(listed)
    if len(found) < len(jobs):
        yield from ("", f"Only the {len(found):,} newest jobs are judged.")
    known = {failure["template"] for failure in failures}
    kinds = facts.kinds.to_dicts()
    others = [row for row in kinds if row["template"] not in known and not _is_told(row, found)]
    yield from _problems(others, _unlisted(kinds, failures))


def _failures(failures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if failures:
        yield from ("", "### Why jobs failed", "")
    for row in failures[:KINDS]:
        phase = f" while {row['phase']}" if row["phase"] else ""
        kind = f", {quoted(row['error_code'])}" if row["error_code"] else ""
        untold = "" if row["error_code"] else ": nothing tells why"
        said = f": {quoted(row['message'])}" if row["message"] else untold
        few = ", ".join(map(quoted, row["job_ids"][:3])) + (", …" if row["jobs"] > 3 else "")
        yield f"- {count(row['jobs'], 'job')}{phase}{kind}{said} ({few})"
    yield from _more(failures[0]["of_all"] - KINDS if failures else 0, "reasons")


def _findings(found: Mapping[str, Sequence[Finding]], failed: Collection[str]) -> Iterator[str]:
    telling = [
        (job, one)
        for job, ones in found.items()
        for one in ones
        if one.weight > NOTE and not (one.rule == "error" and job in failed)
    ]
    if telling:
        yield from ("", "### Found", "")
    for job, one in telling[:FINDINGS]:
        words = quoted(one.words) if one.rule == "error" else safe(one.words)
        yield f"- {quoted(job)} **{one.rule}**: {words}"
    yield from _more(len(telling) - FINDINGS, "findings")


def _best(
    ranked: Sequence[Mapping[str, Any]],
    bests: Mapping[str, Mapping[str, Any]],
    advised: Mapping[str, Advice],
) -> Iterator[str]:
    """The first of each kind of job, with the checkpoint to use where that is not listed."""
    first = [row for row in ranked if row["rank"] == 1 and row["jobs"] > 1]
    if first:
        yield from ("", "### Best", "")
    for row in first[:KINDS]:
        smoothed = " (running median)" * bests[row["job_id"]]["is_smoothed"]
        value = f"{significant(row['best_value'])} at step {row['best_step']:,}"
        by = f"{METRICS[row['metric']]}{smoothed}"
        kind = f"{row['method']} jobs" if row["method"] else "jobs of unknown method"
        of = f"best of {row['jobs']:,} {kind} by {by}, {value}"
        state = "" if row["status"] == "succeeded" else f" ({safe(row['status'])})"
        one = advised.get(row["job_id"])
        use = f" {_use(one)}" if one and one.step is not None else ""
        yield f"- {quoted(row['job_id'])}{state}: {of}.{use}"
    yield from _more(len(first) - KINDS, "that are no worse")


def _use(one: Advice) -> str:
    return safe(one.words) + (f" Model {quoted(one.model_id)}." if one.model_id else "")


def _advice(advised: Mapping[str, Advice]) -> Iterator[str]:
    if advised:
        yield from ("", "### Which checkpoint to use", "")
    for job, one in list(advised.items())[:ADVICE]:
        yield f"- {quoted(job)}: {_use(one)}"
    yield from _more(
        len(advised) - ADVICE, "jobs with a better checkpoint than the last, or a blocked one"
    )


def _unlisted(kinds: Sequence[Mapping[str, Any]], failures: Sequence[Mapping[str, Any]]) -> int:
    """How many kinds of problems there are that are neither in `kinds` nor why a job failed."""
    if not kinds:
        return 0
    listed = {kind["template"] for kind in kinds}
    failed = sum(failure["template"] not in listed for failure in failures)
    failed += failures[0]["of_all"] - len(failures) if failures else 0
    return max(0, kinds[0]["of_all"] - len(kinds) - failed)


def _problems(kinds: Sequence[Mapping[str, Any]], left: int) -> Iterator[str]:
    if kinds:
        yield from ("", "### Other errors and warnings", "")
    for kind in kinds[:KINDS]:
        many = count(kind["events"], kind["severity"])
        yield f"- {many} in {count(kind['jobs'], 'job')}, as {quoted(kind['example'])}"
    yield from _more(left + len(kinds) - KINDS, "kinds")


def _is_told(kind: Mapping[str, Any], found: Mapping[str, Sequence[Finding]]) -> bool:
    """Whether the only event of a kind stands among the findings of its job."""
    said = " ".join(kind["example"].split())
    said = f": {said[:199]}…" if len(said) > 200 else f": {said}"
    own = found.get(kind["example_job_id"], ())
    return kind["events"] == 1 and any(
        one.rule == "error" and one.words.endswith(said) for one in own
    )


def _more(left: int, things: str) -> Iterator[str]:
    if left > 0:
        yield ""
        yield f"and {left:,} more {things}."
