"""The data of the page: the list of jobs in columns, and what the page of one job needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from pipeline.figures import or_name
from pipeline.measured import measured_by, took
from pipeline.report.curves import curves, earlier, numbers, spark
from pipeline.report.gather import NAME_LENGTH, Facts
from pipeline.report.words import Advice, Finding, Row, advice, findings, spans, unjudged

_LISTED = (
    "job_id", "status", "method", "dialect", "steps", "last_step", "total_steps",
    "events", "warnings", "errors", "model_id",
)  # fmt: skip
"""Columns of `jobs` that the list of jobs shows as they are."""

_SHOWN = (
    "created_at", "wait_seconds", "run_seconds", "model_id", "training_file", "validation_file",
    "result_file", "billed_tokens", "trained_tokens", "base_model", "n_epochs", "batch_size",
    "learning_rate_multiplier",
)  # fmt: skip
"""Columns of `jobs` that a job's own page shows as they are."""

_SPANNING = ("divergences", "overfitting", "stalls", "attempts")
"""Views of which something holds for a stretch of steps."""

_TABLES = {
    "attempts": ("attempt", "first_step", "last_step", "steps_lost", "started_at"),
    "checkpoints": (
        "step", "model_id", "train_loss", "valid_loss", "full_valid_loss", "train_mean_reward",
        "full_valid_mean_reward",
    ),
    "data_quality": ("problem", "subject", "occurrences", "example"),
    "job_phases": ("phase", "seconds", "is_last"),
    "leaderboard": ("rank", "jobs", "metric"),
    "reward_gaps": (
        "step", "train_reward", "valid_reward", "gap", "reasoning_growth", "train_grader_error",
        "valid_grader_error", "train_parse_error", "valid_parse_error", "unresponsive_rewards",
    ),
    "throughput": (
        "seconds_per_step", "median_seconds_per_step", "steps_left", "done_at", "seconds_left",
    ),
}  # fmt: skip
"""Views whose rows a job's own page shows as they are, and their columns."""


def overview(facts: Facts, found: Mapping[str, Sequence[Finding]]) -> dict[str, Any]:
    """The list of jobs, a list for each column, and what holds for the whole lake."""
    rows = facts.jobs.to_dicts()
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in _LISTED}
    columns["name"] = [_name(row) for row in rows]
    columns["began_at"] = [_first(row, "created_at", "first_event_at", "ended_at") for row in rows]
    times = [took(row) for row in rows]
    columns["seconds"] = [seconds for seconds, _ in times]
    columns["is_part"] = [is_part for _, is_part in times]
    columns["found"] = [_counted(found.get(row["job_id"], ())) for row in rows]
    bests = {row["job_id"]: row for row in facts.frames["best_steps"].to_dicts()}
    measured = [measured_by(row, bests.get(row["job_id"])) for row in rows]
    names = ("measure", "best", "best_step", "final", "smoothed")
    none = (None, None, None, None, False)
    cells = zip(*(one or none for one in measured), strict=True) if rows else ((),) * len(names)
    columns |= {name: list(column) for name, column in zip(names, cells, strict=True)}
    for name in ("seconds", "final", "best"):
        columns[name] = numbers(pl.Series(columns[name], dtype=pl.Float64))
    return {
        "jobs": columns,
        "detailed": len(facts.detailed),
        "kinds": facts.kinds.drop("template", "example_job_id", "of_all").to_dicts(),
        "more_kinds": _unlisted(facts.kinds),
        "failures": facts.failures.drop("template", "of_all").to_dicts(),
        "more_failures": _unlisted(facts.failures),
        "sources": facts.sources.row(0, named=True),
        "last_event_at": facts.jobs["last_event_at"].max(),
    }


def _unlisted(rows: pl.DataFrame) -> int:
    """How many more rows there are than are listed."""
    return int(rows["of_all"][0]) - rows.height if rows.height else 0


def _first(row: Row, *names: str) -> Any:
    return next((row[name] for name in names if row[name] is not None), None)


def _name(row: Row) -> str | None:
    """What a person called the job: the suffix, of its object or in its model's id."""
    parts = (row["model_id"] or "").split(":")
    name = row["suffix"] or (parts[3] if parts[0] == "ft" and len(parts) > 4 else "")
    return (name if len(name) <= NAME_LENGTH else f"{name[:NAME_LENGTH]}…") or None


def _counted(found: Sequence[Finding]) -> list[tuple[str, int, int]]:
    """Findings by rule: name, weight, how many."""
    counts: dict[tuple[str, int], int] = {}
    for finding in found:
        key = (finding.rule, finding.weight)
        counts[key] = counts.get(key, 0) + 1
    return [(rule, weight, n) for (rule, weight), n in counts.items()]


def all_findings(facts: Facts) -> dict[str, list[Finding]]:
    """What was found in each job that has a page."""
    verdicts, attempts = (_by_job(facts.frames[view]) for view in ("verdicts", "attempts"))
    return {
        job: findings(verdicts.get(job, []), attempts.get(job, []), facts.fail_on)
        for job in facts.detailed
    }


def all_advice(facts: Facts) -> dict[str, Advice]:
    """Which checkpoint to use of each job that has a page, where anything tells."""
    bests, choices = (_by_job(facts.frames[v]) for v in ("best_steps", "checkpoint_advice"))
    told = {job: advice(*_one(bests, job), *_one(choices, job)) for job in facts.detailed}
    return {job: words for job, words in told.items() if words}


def _one(rows: Mapping[str, list[Row]], job: str) -> list[Row | None]:
    return [rows[job][0] if job in rows else None]


def details(
    facts: Facts, found: Mapping[str, Sequence[Finding]]
) -> Iterator[tuple[dict[str, Any], list[int]]]:
    """For each job that has a page its data, and its curve as a small picture."""
    frames = facts.frames
    advised = all_advice(facts)
    of = {view: _by_job(frames[view]) for view in _SPANNING}
    spanned = {
        job: spans({v: rows.get(job, []) for v, rows in of.items()}) for job in facts.detailed
    }
    drawn = curves(frames["points"], _marked(facts, spanned))
    thrown_away = earlier(frames["earlier"])
    tables = {v: _by_job(frames[v].select("job_id", *names)) for v, names in _TABLES.items()}
    finals = _finals(facts)
    spikes, verdicts = (_by_job(frames[view]) for view in ("loss_spikes", "verdicts"))
    blocked = _by_job(frames["blocked"])
    messages = frames["messages"].partition_by("job_id", as_dict=True, maintain_order=True)
    for row in facts.jobs.head(len(facts.detailed)).to_dicts():
        job = row["job_id"]
        told = {name: row[name] for name in _SHOWN if row[name] is not None}
        told["curves"] = drawn.get(job, {})
        told["earlier"] = thrown_away.get(job, [])
        told["found"] = [asdict(finding) for finding in found[job]]
        told["advice"] = asdict(advised[job]) if job in advised else None
        told["kept"] = [v["rule"] for v in verdicts.get(job, []) if v["verdict"] == "ok"]
        told["unjudged"] = unjudged(verdicts.get(job, []))
        told["spans"] = spanned[job]
        told["spikes"] = [[s["peak_step"], or_name(s["peak_loss"])] for s in spikes.get(job, [])]
        told["blocked"] = [check["model_id"] for check in blocked.get(job, [])]
        told["messages"] = _columns(messages.get((job,)))
        told |= {view: list(map(_told, table.get(job, []))) for view, table in tables.items()}
        told["checkpoints"] += finals.get(job, [])
        yield told, _spark(told["curves"])


def _marked(facts: Facts, spanned: Mapping[str, Sequence[tuple[str, int, int]]]) -> pl.DataFrame:
    """Steps that stay on every curve: best ones, checkpoints, peaks, ends of stretches."""
    marked: set[tuple[str, int]] = set()
    for row in facts.jobs.head(len(facts.detailed)).iter_rows(named=True):
        steps = (v for n, v in row.items() if n.startswith("best_") and n.endswith("_step"))
        marked.update((row["job_id"], step) for step in steps if step is not None)
    kept = {
        "best_steps": "best_step",
        "checkpoint_advice": "step",
        "checkpoints": "step",
        "loss_spikes": "peak_step",
    }
    for view, column in kept.items():
        marked.update(facts.frames[view].select("job_id", column).drop_nulls().rows())
    for job, ones in spanned.items():
        marked.update((job, step) for _, first, last in ones for step in (first, last))
    schema = {"job_id": pl.String, "step": pl.Int64}
    return pl.DataFrame(sorted(marked), schema=schema, orient="row")


def _finals(facts: Facts) -> dict[str, list[dict[str, Any]]]:
    """The model that a job made, as a row of its checkpoints, where no event tells of that one."""
    known = facts.frames["checkpoints"].select("job_id", "step")
    named = {"step": "last_step", "model_id": "last_model_id"}
    last = facts.frames["checkpoint_advice"].select("job_id", **named).drop_nulls("step")
    last = last.join(known, on=["job_id", "step"], how="anti")
    values = last.join(facts.frames["points"], on=["job_id", "step"])
    found = {row["job_id"]: _told(row) | {"is_final": True} for row in last.to_dicts()}
    for row in values.iter_rows(named=True):
        if row["metric"] in _TABLES["checkpoints"]:
            found[row["job_id"]][row["metric"]] = or_name(row["value"])
    return {job: [row] for job, row in found.items()}


def _by_job(frame: pl.DataFrame) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {}
    for row in frame.iter_rows(named=True):
        rows.setdefault(row["job_id"], []).append(row)
    return rows


def _told(row: Row) -> dict[str, Any]:
    """A row without its job and without what is not there; floats that JSON does not have named."""
    plain = {k: v for k, v in row.items() if k != "job_id" and v is not None}
    return {k: or_name(v) if isinstance(v, float) else v for k, v in plain.items()}


def _columns(messages: pl.DataFrame | None) -> dict[str, Any]:
    if messages is None:
        return {"of": 0, "grave": 0}
    columns = messages.select("at", "at_step", "level", "message", "severity")
    counts = {"of": messages["messages"][0], "grave": messages["grave"][0]}
    return {**columns.to_dict(as_series=False), **counts}


def _spark(drawn: Mapping[str, Mapping[str, Any]]) -> list[int]:
    curve = next((drawn[m] for m in ("train_loss", "train_mean_reward") if m in drawn), None)
    if curve is None:
        return []
    return spark(curve.get("s", {}).get("0.9") or curve["y"])
