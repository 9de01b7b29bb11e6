"""Dumps as people have them, drawn by hypothesis, each with the truth about its lines."""

from __future__ import annotations

import gzip
import json
import math
import os
import random
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import oracle_companions
import strategies_companions
from hypothesis import settings
from hypothesis import strategies as st

from pipeline.zstd import zstd

ABSENT = object()
EFFORT = int(os.environ.get("TUNELOG_EFFORT", "1"))
"""How many times the usual number of examples is tried."""
START = 1_700_000_000

TEXTS = st.one_of(
    st.sampled_from(
        [
            "Fine-tuning job started",
            "Step 3/9: training loss=0.50",
            "The job has successfully completed",
            'quotes " and \\ and {brackets], größer, 日本, \u2028',
            "line\nbreak\ttab\0nul",
            "null",
            "7",
            "",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
NUMBERS = st.one_of(
    st.sampled_from([0, 1, 1.0, -0.0, 0.5, 1e-7, 10**20, math.nan, math.inf, -math.inf]),
    st.integers(-5, 5_000),
    st.floats(),
)
ODD_VALUES = st.sampled_from(
    [None, True, False, "0.25", "1e-3", "NaN", "-inf", "n/a", "", [1, 2], {"a": 1}, []]
)
METRIC_NAMES = st.sampled_from(
    [
        "train_loss",
        "train_mean_token_accuracy",
        "valid_loss",
        "full_valid_loss",
        "train_mean_reward",
        "full_valid_mean_parse_error",
        "mean_unresponsive_rewards",
    ]
)
REINFORCEMENT = {
    "scores": {
        "graders": [
            {"name": "exact", "type": "string_check", "train_reward_mean": 0.5},
            {"name": "exact", "type": "score_model", "train_reward_mean": 1},
        ],
        "train_reward_mean": 0.75,
    },
    "model_graders_token_usage": {"gpt-4o-2024-08-06": {"input/out~put": 12}},
}
MODERATION = {"blocked": False, "results": [{"flagged": True, "category": "hate"}]}
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(TEXTS, inner, max_size=2)),
    max_leaves=4,
)


def examples(number: int) -> settings:
    """Settings of a property that is tried on so many examples."""
    return settings(max_examples=number * EFFORT)


@st.composite
def payloads(draw: st.DrawFn, step: int) -> Any:
    """A `data` of any kind; ABSENT for none."""
    kind = draw(st.sampled_from(["absent", "null", "empty", "metrics", "metrics", "odd", "rft"]))
    if kind == "absent":
        return ABSENT
    if kind == "null":
        return None
    if kind == "empty":
        return {}
    if kind == "rft":
        return {"step": step, "train_mean_reward": 0.5} | REINFORCEMENT
    if kind == "metrics":
        values = draw(st.dictionaries(METRIC_NAMES, st.floats(0, 9), max_size=4))
        return {"step": step} | draw(st.sampled_from([{}, {"total_steps": 90}])) | values
    return draw(
        st.one_of(
            st.just(MODERATION),
            st.dictionaries(METRIC_NAMES, st.one_of(NUMBERS, ODD_VALUES), max_size=3),
            st.dictionaries(st.sampled_from(["step", "total_steps"]), ODD_VALUES, max_size=2),
            st.dictionaries(TEXTS, JSON_VALUES, max_size=3),
        )
    )


@st.composite
def events(draw: st.DrawFn, number: int, *, azure: bool = False) -> dict[str, Any]:
    """An event with an id and a time of its own; numbers grow with time."""
    digits = f"{number:016x}{number * 7 + 1:016x}" if azure else f"{number:024}"
    event: dict[str, Any] = {
        "object": "fine_tuning.job.event",
        "id": f"ftevent-{digits}",
        "created_at": START + number,
        "level": draw(st.sampled_from(["info"] * 6 + ["warn", "error", "Info", ""])),
        "message": draw(TEXTS),
        "type": draw(st.sampled_from(["message", "metrics", "moderation_checks", "new", None])),
        "data": draw(payloads(number)),
    }
    for name, rare in (("object", 8), ("type", 5)):
        if draw(st.integers(0, rare)) == 0:
            event[name] = ABSENT
    if draw(st.integers(0, 6)) == 0:
        event |= draw(st.dictionaries(st.sampled_from(["x", "seen at"]), JSON_VALUES, min_size=1))
    event = {name: value for name, value in event.items() if value is not ABSENT}
    return dict(draw(st.permutations(list(event.items())))) if draw(st.booleans()) else event


def spelled(draw: st.DrawFn, value: Any) -> str:
    """A value as JSON, in one of the spellings that writers use."""
    separators = draw(st.sampled_from([(", ", ": "), (",", ":"), (" , ", " : ")]))
    return json.dumps(value, ensure_ascii=draw(st.booleans()), separators=separators)


@dataclass(frozen=True)
class Line:
    """One line of a dump and what it is: event, companion, blank, ignored, or a reject's reason."""

    raw: bytes
    kind: str
    value: Any = None


BAD_LINES = {
    "malformed_json": [b"{oops}", b'{"id": 1,}', b"Traceback (most recent call last):"],
    "invalid_utf8": [b'{"message": "\xff"}'],
    "not_an_object": [b"17", b'"text"', b"[1, 2]"],
    "unknown_object": [b'{"a": 1}'],
    "missing_field": [b'{"object": "fine_tuning.job.event", "id": "ftevent-x"}'],
    "wrong_type": [b'{"id": 5, "created_at": 1700000000, "level": "info", "message": "m"}'],
    "bad_time": [b'{"id": "e", "created_at": -1, "level": "info", "message": "m"}'],
    "lone_surrogate": [
        b'{"id": "e", "created_at": 1700000000, "level": "info", "message": "\\ud800"}'
    ],
}
ODD_LINES = [
    *(Line(raw, reason) for reason, raws in BAD_LINES.items() for raw in raws),
    *(Line(raw, "blank") for raw in (b"", b"  \t", b"\r")),
    Line(b'{"object": "fine_tuning.job.checkpoint", "id": "ftckpt_1"}', "ignored"),
    Line(b'{"messages": [{"role": "user"}]}', "ignored"),
]


@dataclass(frozen=True)
class Dump:
    """The lines of one job as one file."""

    job: str
    lines: tuple[Line, ...]
    ending: bytes = b"\n"
    mark: bytes = b""
    packing: str = ""

    @property
    def name(self) -> str:
        """A file name that tells the job."""
        return f"{self.job}.jsonl{self.packing}"

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of the dump, in its order."""
        return [line.value for line in self.lines if line.kind == "event"]

    def content(self) -> bytes:
        """The bytes of the file."""
        text = self.mark + b"".join(line.raw + self.ending for line in self.lines)
        if self.packing == ".gz":
            return gzip.compress(text, mtime=0)
        return zstd.compress(text) if self.packing == ".zst" else text

    def parts(self, cuts: list[int]) -> list[Dump]:
        """The dump cut at line borders; each part's name tells the job."""
        edges = [0, *sorted(cuts), len(self.lines)]
        pairs = pairwise(edges)
        return [Dump(self.job, self.lines[a:b], self.ending) for a, b in pairs if a < b]


def job_name(number: int) -> str:
    """A job id."""
    return f"ftjob-{number:024}"


def companion_lines(draw: st.DrawFn, job: str) -> Line:
    """A line that tells of a job beside its events, as dumps have it: unknown fields included."""
    kind = draw(st.sampled_from(["job", "checkpoint", "outcome", "result"]))
    if kind == "result":
        value = draw(strategies_companions.result_rows())
        sent = value | {"object": "tunelog.result"}
        sent |= draw(st.sampled_from([{}, {"job_id": job}]))
    else:
        made = {
            "job": strategies_companions.job_objects,
            "checkpoint": strategies_companions.checkpoint_objects,
            "outcome": strategies_companions.webhooks,
        }[kind]
        value = draw(made(job))
        sent = value | draw(st.sampled_from([{}, strategies_companions.PLANTED]))
    told = oracle_companions.Told(job, kind, oracle_companions.without(value))
    return Line(spelled(draw, sent).encode(), "companion", (job, kind, told.text))


@st.composite
def dumps(draw: st.DrawFn, *, jobs: int = 2, odd: bool = True, repeats: bool = True) -> list[Dump]:
    """Dumps of a few jobs.

    Args:
        draw: hypothesis's.
        jobs: how many jobs at most.
        odd: let broken lines, blank lines and other objects stand among the events.
        repeats: let some events stand twice, word for word.
    """
    found = []
    for number in range(draw(st.integers(1, jobs))):
        azure, created = draw(st.booleans()), draw(st.booleans())
        count = draw(st.integers(2, 9))
        first = number * 100
        rows = [draw(events(first + index, azure=azure)) for index in range(count)]
        if created:
            rows[0] |= {"message": f"Created fine-tuning job: {job_name(number)}"}
        lines = [Line(spelled(draw, row).encode(), "event", row) for row in rows]
        # recognised by its first lines: whatever comes later, these two are events
        if draw(st.booleans()):
            lines.reverse()
        if repeats:
            lines += draw(st.lists(st.sampled_from(lines), max_size=3))
        if odd:
            for line in draw(st.lists(st.sampled_from(ODD_LINES), max_size=4)):
                lines.insert(draw(st.integers(2, len(lines))), line)
        for _ in range(draw(st.integers(0, 3))):
            line = companion_lines(draw, job_name(number))
            for _ in range(draw(st.integers(1, 2 if repeats else 1))):
                lines.insert(draw(st.integers(2, len(lines))), line)
        found.append(
            Dump(
                job_name(number),
                tuple(lines),
                draw(st.sampled_from([b"\n", b"\n", b"\r\n"])),
                draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"])),
                draw(st.sampled_from(["", "", ".gz", ".zst"])),
            )
        )
    return found


def shuffled(items: list[Any], seed: int) -> list[Any]:
    """The items in another order."""
    return random.Random(seed).sample(items, len(items))


def comparable(value: Any) -> Any:
    """A value that equals another's exactly where both are the same JSON."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return (type(value).__name__, value)
    if isinstance(value, dict):
        return {key: comparable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [comparable(inner) for inner in value]
    return "nan" if value != value else value


def meaning(value: Any) -> Any:
    """A value with what identity passes over left out: null, {}, and 1 against 1.0."""
    if isinstance(value, dict):
        inner = {key: meaning(item) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item is not None and item != {}}
    if isinstance(value, list):
        return [meaning(item) for item in value]
    whole = isinstance(value, float) and math.isfinite(value) and value == int(value)
    return int(value) if whole else value


def weight(value: Any) -> tuple[int, str]:
    """Where a content stands in the documented order: non-null leaves, then canonical JSON."""

    def leaves(part: Any) -> int:
        if isinstance(part, dict | list):
            return sum(leaves(p) for p in (part.values() if isinstance(part, dict) else part))
        return part is not None

    plain = meaning(value)
    return leaves(plain), json.dumps(plain, sort_keys=True)
