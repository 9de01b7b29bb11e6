"""The verdicts in plain Python, from the other oracles."""

from __future__ import annotations

import math
import re
from typing import Any

import oracle_detectors
from oracle import Event
from oracle_curves import Row, by_job, data_quality, loss_curves
from oracle_jobs import jobs
from oracle_marts import IN_TIME, errors, phases_of
from oracle_stories import failure_reasons
from oracle_training import SMOOTHED

Basis = tuple[int, int, str]


def verdicts(events: list[Event]) -> list[Row]:
    """One row per job and rule."""
    found: dict[tuple[str, str], list[Row]] = {}
    for rule, job, finding in findings(events):
        found.setdefault((job, rule), []).append(finding)
    rows = []
    for job in jobs(events):
        for rule, (given, needed, what) in bases(job, events).items():
            counted = f"{given} {ONE[what] if given == 1 else what}"
            own = found.get((job["job_id"], rule), [])
            first: dict[str, Any] = min(own, key=lambda row: row["order"]) if own else {}
            tripped = [row["count"] for row in own]
            if own:
                verdict, evidence = "tripped", first["evidence"]
            elif given < needed:
                verdict = "not applicable"
                evidence = f"{counted}, {needed} needed" if given else f"no {what}"
            else:
                verdict, evidence = "ok", f"nothing in {counted}"
            named = {name: first.get(name) for name in ("step", "value", "threshold", "unit")}
            rows.append(
                {
                    "job_id": job["job_id"],
                    "rule": rule,
                    "verdict": verdict,
                    "findings": sum(tripped),
                    "evidence": evidence,
                    **named,
                }
            )
    return rows


def is_untrained(job: Row, own: list[Event]) -> bool:
    """Whether a job's events begin before training and tell of no step, nor of what follows."""
    phases = [phase for phase in phases_of(own) if phase not in (None, "ended")]
    begun = {"created", "validating", "queued", "running"} & set(phases)
    over = job["status"] == "succeeded" or phases[-1:] == ["finalising"]
    trained = any(event.lifecycle in ("step", "checkpoint") for event in own)
    return bool(begun) and not over and not trained


def is_timed(row: Row) -> bool:
    """Whether a step of a curve was told by events, and not by its evaluation alone."""
    trained = any(row[name] is not None for name in ("train_loss", "train_mean_reward"))
    valid = ("valid_loss", "full_valid_loss", "valid_mean_reward", "full_valid_mean_reward")
    return row["events"] > 0 and (trained or all(row[name] is None for name in valid))


ONE = {
    "events": "event",
    "steps with a loss or reward": "step with a loss or reward",
    "training losses": "training loss",
    "training rewards": "training reward",
    "validation losses": "validation loss",
    "validation rewards": "validation reward",
    "true times of steps": "true time of a step",
    "steps": "step",
}
"""What rules go by, where there is only one."""


def bases(job: Row, events: list[Event]) -> dict[str, Basis]:
    """What each rule goes by: how many there are, how many it needs, of what."""
    curve = [row for row in loss_curves(events) if row["job_id"] == job["job_id"]]

    def finite(metric: str) -> int:
        return sum(row[metric] is not None and math.isfinite(row[metric]) for row in curve)

    numbers = sum(any(row[name] is not None for name in SMOOTHED) for row in curve)
    times = sum(map(is_timed, curve)) or sum(row["events"] > 0 for row in curve)
    times = 0 if job["dialect"] == "azure" else times
    evaluations = max(finite("valid_loss"), finite("full_valid_loss"))
    rewards = max(finite("valid_mean_reward"), finite("full_valid_mean_reward"))
    return {
        "error": (job["events"], 1, "events"),
        "nan": (numbers, 1, "steps with a loss or reward"),
        "divergence": (finite("train_loss"), 12, "training losses")
        if finite("train_loss") >= finite("train_mean_reward")
        else (finite("train_mean_reward"), 12, "training rewards"),
        "overfit": (
            max(evaluations, rewards),
            2 if finite("full_valid_loss") >= 2 else 5,
            "validation rewards"
            if (rewards, finite("train_mean_reward")) > (evaluations, finite("train_loss"))
            else "validation losses",
        ),
        "spike": (finite("train_loss"), 7, "training losses"),
        "stall": (times, 11, "true times of steps"),
        "gap": (len(curve), 2, "steps"),
    }


def findings(events: list[Event]) -> list[tuple[str, str, Row]]:
    """Rule, job, and what was found."""
    found: list[tuple[str, str, Row]] = []

    def add(rule: str, row: Row, evidence: str, *finding: Any) -> None:
        step, value, threshold, unit, order, count = finding
        found.append(
            (
                rule,
                row["job_id"],
                {
                    "step": step,
                    "value": value,
                    "threshold": threshold,
                    "unit": unit,
                    "order": order,
                    "count": count,
                    "evidence": evidence,
                },
            )
        )

    told: dict[str, str] = {}
    for row in sorted(errors(events), key=lambda row: tuple(row[name] for name in IN_TIME)):
        told.setdefault(row["job_id"], row["message"])
    told |= {row["job_id"]: row["message"] for row in failure_reasons(events)}
    own = by_job(events)
    for row in jobs(events):
        if row["status"] != "failed" and not row["errors"]:
            continue
        failed = row["status"] == "failed"
        message = re.sub(r"\s+", " ", told[row["job_id"]] or "")
        step = row["last_step"]
        untold = " before any step" if is_untrained(row, own[row["job_id"]]) else ""
        place = untold if step is None else f" at step {step}"
        several = f", one of {row['errors']} errors" if row["errors"] > 1 else ""
        cut = message[:199] + "…" if len(message) > 200 else message
        words = row["status"] + place + ("" if failed else ", yet told an error") + several
        count = max(row["errors"], 1)
        words += f": {cut}" if cut else ", and nothing tells why" if failed else ""
        add("error", row, words, step, count, 0, "event", 0, count)
    odd = [row for row in oracle_detectors.divergences(events) if row["kind"] == "non_finite"]
    for row in odd:
        count = sum(other["points"] for other in odd if other["job_id"] == row["job_id"])
        words = f"{row['metric']} is {row['worst']} at step {row['first_step']}"
        words += f", one of {count} such points" if count > 1 else ""
        order = (row["first_step"], row["metric"])
        add("nan", row, words, row["first_step"], count, 0, "point", order, row["points"])
    trends = [row for row in oracle_detectors.divergences(events) if row["kind"] != "non_finite"]
    for row in trends:
        what = {
            ("rising", True): ("smoothed training loss rose above", "at", "to"),
            ("falling", True): ("smoothed mean training reward fell below", "at", "to"),
            ("rising", False): ("training loss is mostly above", "from", "smoothed"),
            ("falling", False): ("mean training reward is mostly below", "from", "smoothed"),
        }
        stays, at, to = what[row["kind"], row["points"] >= 15]
        step, worst, limit = row["first_step"], row["worst"], row["threshold"]
        words = f"{stays} {limit:.4g} {at} step {step}{' on' * (at == 'from')}, {to} {worst:.4g}"
        words += f", for {row['points']} points" if row["points"] > 1 else ""
        back = f", and came back after step {row['last_step']}"
        words += back if row["is_recovered"] else ", to the end"
        count = sum(other["job_id"] == row["job_id"] for other in trends)
        words += f", one of {count}" if count > 1 else ""
        order = (row["is_recovered"], -row["points"], step)
        add("divergence", row, words, step, worst, limit, "1", order, 1)
    for row in oracle_detectors.overfitting(events):
        if row["is_overfit"]:
            is_sample = row["metric"] != "full_valid_loss"
            is_loss = row["metric"].endswith("loss")
            words = "smoothed " if is_sample else ""
            words += f"{row['metric']} {'rose' if is_loss else 'fell'} from its best, "
            words += f"{row['best_value']:.4g} {'about' if is_sample else 'at'} "
            words += f"step {row['best_step']}, to {row['last_value']:.4g} at the end"
            if (excess := row["generalisation_loss"]) is not None:
                amount = f"{excess:.0f}" if excess < 1e6 else f"{excess:.4g}"
                words += f" ({'+' if is_loss else '-'}{amount}%, {row['severity']})"
            words += f", {'above' if is_loss else 'below'} {row['threshold']:.4g}"
            step, value = row["risen_since_step"], row["last_value"]
            add("overfit", row, words, step, value, row["threshold"], "1", 0, 1)
    spikes = oracle_detectors.loss_spikes(events)
    ends = {row["job_id"]: row["last_step"] for row in jobs(events)}
    for row in spikes:
        words = f"training loss leapt to {row['peak_loss']:.4g} at step {row['peak_step']} from a "
        words += f"usual {row['usual_loss']:.4g}, above {row['threshold']:.4g}"
        if row["points"] > 1:
            words += f", for {row['points']} points"
            stays = not row["is_recovered"] and row["last_step"] < ends[row["job_id"]]
            words += " or more" if stays else ""
        if row["peak_step"] > row["first_step"]:
            words += f" from step {row['first_step']} on"
        if row["is_recovered"]:
            words += ", and came back"
        elif row["last_step"] == ends[row["job_id"]]:
            words += ", to the end"
        else:
            words += ", and did not come back at once"
        count = sum(other["job_id"] == row["job_id"] for other in spikes)
        words += f", one of {count}" if count > 1 else ""
        step, value = row["first_step"], row["peak_loss"]
        add("spike", row, words, step, value, row["threshold"], "1", step, 1)
    stops = oracle_detectors.stalls(events)
    for row in stops:
        step, seconds = row["after_step"], row["seconds"]
        words = "silent for " if row["kind"] == "silent" else "stood still for "
        if seconds < 7200:
            words += f"{seconds / 60:.0f} min"
        else:
            words += (
                f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"
            )
        words += f" after step {step}"
        words += ", up to the last event dumped" if row["kind"] == "silent" else ""
        words += ", where the next usually comes after"
        words += f" {row['usual_seconds']:.4g} s"
        count = sum(other["job_id"] == row["job_id"] for other in stops)
        words += f", one of {count}" if count > 1 else ""
        order = row["after_step_at"]
        add("stall", row, words, step, seconds, row["threshold"], "s", order, 1)
    for row in data_quality(events):
        if row["problem"] == "missing_steps":
            count, example = row["occurrences"], row["example"]
            words = "1 step, " if count == 1 else f"{count} steps, the first "
            words = f"the dump lacks {words}{example}"
            step = int(example.split()[1])
            add("gap", row, words, step, count, 0, "step", 0, 1)
    return found
