"""Columns, dtypes, units, metrics and closed lists: declared once, used by every stage.

Units stand in brackets: ``[s]`` seconds, ``[1]`` dimensionless, ``[token]`` tokens.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

LAKE_VERSION = 4
"""Layout of the lake on disk: greater ones are refused, smaller ones brought up to date."""

READER_VERSION = 2
"""Raised when the same bytes would be read differently: known sources are then read again."""

DEFAULT_MAX_RECORD_BYTES = 64 << 20
"""A longer record is a reject [byte]."""

DEFAULT_MAX_EXPANSION = 1_000
"""A compressed file whose content is more times as long is refused [1]."""

REJECT_PREFIX_BYTES = 64 << 10
"""What a reject keeps of a record over the size limit, beside its hash [byte]."""

METRICS: dict[str, str] = {
    "train_loss": "mean training loss of the step's batch [1]",
    "train_mean_token_accuracy": "share of training tokens predicted right [1]",
    "valid_loss": "loss on a sample of the validation set [1]",
    "valid_mean_token_accuracy": "share of sampled validation tokens predicted right [1]",
    "full_valid_loss": "loss on the whole validation set [1]",
    "full_valid_mean_token_accuracy": "share of all validation tokens predicted right [1]",
    "train_mean_reward": "mean reward of the step's training samples [1]",
    "valid_mean_reward": "mean reward on a sample of the validation set [1]",
    "full_valid_mean_reward": "mean reward on the whole validation set [1]",
    "full_valid_mean_parse_error": "share of validation samples that did not parse [1]",
    "reasoning_tokens_mean": "mean reasoning tokens of a training sample [token]",
    "valid_reasoning_tokens_mean": "mean reasoning tokens of a validation sample [token]",
    "completion_tokens_mean": "mean completion tokens of a training sample [token]",
    "mean_unresponsive_rewards": "mean reward calls that gave no answer [1]",
}
"""The metrics of OpenAI's and Azure's payloads that have a column, under the API's own names."""

COUNTERS = ("step", "total_steps")
"""Integers of the payload that place a metrics event on the curve."""

MOST_STEPS = 2**53
"""Steps are less, either way: views take differences of them, doubles tell them apart [step]."""

EVENT_FIELDS = ("object", "id", "created_at", "level", "message", "type", "data")
"""Top-level fields of `FineTuningJobEvent` (OpenAI's specification)."""

LEGACY_EVENT_OBJECT = "fine-tune-event"
EVENT_OBJECTS = ("fine_tuning.job.event", LEGACY_EVENT_OBJECT)
"""What events call themselves."""

LAST_TIME = 253_402_300_799
"""The last moment of the year 9999 [s since 1970]."""

INT64 = 2**63
"""What no whole number of a column reaches."""

_TIME = pa.timestamp("us", tz="UTC")

EVENTS = pa.schema(
    [
        pa.field("job_id", pa.string(), nullable=False),
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("created_at", _TIME, nullable=False),
        pa.field("level", pa.string(), nullable=False),
        pa.field("type", pa.string()),
        pa.field("message", pa.string(), nullable=False),
        pa.field("step", pa.int64()),
        pa.field("total_steps", pa.int64()),
        *(pa.field(name, pa.float64()) for name in METRICS),
        pa.field("other_metrics", pa.map_(pa.string(), pa.float64())),
        pa.field("data", pa.string()),
        pa.field("extra", pa.string()),
        pa.field("misfits", pa.list_(pa.string())),
        pa.field("object", pa.string()),
        pa.field("dialect", pa.string(), nullable=False),
        pa.field("stream_id", pa.string(), nullable=False),
        pa.field("source_id", pa.string(), nullable=False),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("ordinal", pa.int64(), nullable=False),
    ]
)
"""One row per event of a job. Key: (job_id, event_id)."""

REJECT_REASONS: dict[str, str] = {
    "invalid_utf8": "the bytes are not UTF-8",
    "malformed_json": "the text is not JSON",
    "cut_off": "the last record ends before its JSON does",
    "too_deep": "the JSON nests deeper than 700 levels, or around events than 100",
    "too_large": "the record is longer than --max-record-bytes",
    "not_an_object": "the JSON value is no object",
    "unknown_object": "the object is neither an event nor a known other thing",
    "missing_field": "a required field of the event is absent or null",
    "wrong_type": "a field has another JSON type than the specification says",
    "bad_time": "created_at is no Unix time in seconds between 1970 and 9999",
    "lone_surrogate": "a string holds half a surrogate pair, which no text can store",
    "job_conflict": "the stream names one job and its evidence another",
    "corrupt_compression": "the compressed file is damaged from here on",
    "bad_row": "a row of a result file without a whole step, or with other cells than numbers",
}
"""Closed list of reasons a record is kept as a reject."""

REJECTS = pa.schema(
    [
        pa.field("source_id", pa.string(), nullable=False),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("byte_offset", pa.int64(), nullable=False),
        pa.field("byte_length", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("raw", pa.binary(), nullable=False),
        pa.field("raw_hash", pa.string()),
        pa.field("first_seen_at", _TIME, nullable=False),
        pa.field("job_id", pa.string()),
        pa.field("stream_id", pa.string(), nullable=False),
        pa.field("ordinal", pa.int64(), nullable=False),
    ]
)
"""One row per record that is no event. `raw` is untouched; over the size limit a prefix and
`raw_hash` (XXH3-128 of the whole). `job_id` and `ordinal` are what the record's stream knew, so
that a replay needs nothing else."""

VARIANTS = pa.schema(
    [
        pa.field("job_id", pa.string(), nullable=False),
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("event", pa.string(), nullable=False),
        pa.field("source_id", pa.string(), nullable=False),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("first_seen_at", _TIME, nullable=False),
    ]
)
"""One row per content that lost against another of the same (job_id, event_id). `event` is the
event as JSON text."""

COMPANIONS = pa.schema(
    [
        pa.field("job_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("content", pa.string(), nullable=False),
        pa.field("source_id", pa.string(), nullable=False),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
    ]
)
"""One row per thing that dumps tell about a job beside its events: a state of an object, a row of
a result file. Key: (job_id, kind, content). `content` is canonical JSON text of the fields of
`COMPANION_FIELDS` and no others."""

COMPANION_KINDS: dict[str, str] = {
    "job": "a job object, in the state in which it was dumped",
    "checkpoint": "a checkpoint object",
    "outcome": "a webhook body that says how a job ended",
    "result": "a row of a result file",
}

JOB_OBJECT = "fine_tuning.job"
CHECKPOINT_OBJECT = "fine_tuning.job.checkpoint"
OUTCOME_OBJECT = "event"
RESULT_OBJECT = "tunelog.result"
"""What a row of a result file calls itself in exports."""

_HYPERPARAMETERS: dict[str, Any] = {
    "n_epochs": "setting",
    "batch_size": "setting",
    "learning_rate_multiplier": "setting",
    "beta": "setting",
    "compute_multiplier": "setting",
    "eval_interval": "setting",
    "eval_samples": "setting",
    "reasoning_effort": "word",
}

COMPANION_FIELDS: dict[str, dict[str, Any]] = {
    "job": {
        "object": "text",
        "id": "text",
        "status": "word",
        "model": "text",
        "fine_tuned_model": "text",
        "created_at": "time",
        "finished_at": "time",
        "method": {
            "type": "word",
            "supervised": {"hyperparameters": _HYPERPARAMETERS},
            "dpo": {"hyperparameters": _HYPERPARAMETERS},
            "reinforcement": {"hyperparameters": _HYPERPARAMETERS},
        },
        "hyperparameters": _HYPERPARAMETERS,
        "training_file": "text",
        "validation_file": "text",
        "result_files": "texts",
        "trained_tokens": "whole",
        "seed": "whole",
        "suffix": "text",
        "user_provided_suffix": "text",
        "error": {"code": "text", "param": "text", "message": "text"},
    },
    "checkpoint": {
        "object": "text",
        "id": "text",
        "fine_tuning_job_id": "text",
        "created_at": "time",
        "step_number": "step",
        "fine_tuned_model_checkpoint": "text",
        "metrics": "numbers",
    },
    "outcome": {
        "object": "text",
        "id": "text",
        "type": "word",
        "created_at": "time",
        "data": {"id": "text"},
    },
}
"""Fields of companions that are kept: name -> fields of the object there, or what may stand there
(step: a whole number that may be one; setting: a number or auto; numbers: an object of them).
Everything else in such an object is never copied: keys of trackers lie there."""

RESULT_NAMES: dict[str, str] = {
    "train_accuracy": "train_mean_token_accuracy",
    "valid_accuracy": "valid_mean_token_accuracy",
    "validation_mean_token_accuracy": "valid_mean_token_accuracy",
    "full_validation_loss": "full_valid_loss",
    "full_validation_mean_token_accuracy": "full_valid_mean_token_accuracy",
    "training_loss": "train_loss",
    "training_token_accuracy": "train_mean_token_accuracy",
    "validation_loss": "valid_loss",
    "validation_token_accuracy": "valid_mean_token_accuracy",
}
"""Columns of result files that events call otherwise: OpenAI's since 2023 and before, Azure's."""

SOURCES = pa.schema(
    [
        pa.field("source_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("form", pa.string(), nullable=False),
        pa.field("compression", pa.string(), nullable=False),
        pa.field("job_hint", pa.string()),
        pa.field("records", pa.int64(), nullable=False),
        pa.field("events", pa.int64(), nullable=False),
        pa.field("duplicates", pa.int64(), nullable=False),
        pa.field("rejects", pa.int64(), nullable=False),
        pa.field("ignored", pa.int64(), nullable=False),
        pa.field("blank", pa.int64(), nullable=False),
        pa.field("ignored_kinds", pa.string(), nullable=False),
        pa.field("companions", pa.int64(), nullable=False),
        pa.field("commit_id", pa.int64(), nullable=False),
        pa.field("ingested_at", _TIME, nullable=False),
        pa.field("seen_commit_id", pa.int64()),
    ]
)
"""One row per source; records = events + companions + duplicates + rejects + ignored + blank."""

STREAMS = pa.schema(
    [
        pa.field("stream_id", pa.string(), nullable=False),
        pa.field("source_id", pa.string(), nullable=False),
        pa.field("first_position", pa.int64(), nullable=False),
        pa.field("last_position", pa.int64(), nullable=False),
        pa.field("newest_first", pa.bool_(), nullable=False),
        pa.field("job_id", pa.string(), nullable=False),
        pa.field("told_by", pa.string(), nullable=False),
    ]
)
"""One row per stream: which job it belongs to and how that was told (`TOLD_BY`)."""

TOLD_BY: dict[str, str] = {
    "flag": "--job-id",
    "export": "the line above it in an export of a lake",
    "beside": "a job id beside the events, in the URL, or in a job or checkpoint object",
    "creation": "the creation message of the stream, or of the page that its page goes on with",
    "name": "a job id in the file or folder name",
    "shared": "an event id that a stream with a known job holds too",
    "assigned": "tunelog assign",
    "unknown": "nothing yet",
}

COMMITS = pa.schema(
    [
        pa.field("commit_id", pa.int64(), nullable=False),
        pa.field("committed_at", _TIME, nullable=False),
        pa.field("command", pa.string(), nullable=False),
        pa.field("sources", pa.int64(), nullable=False),
        pa.field("events", pa.int64(), nullable=False),
        pa.field("rejects", pa.int64(), nullable=False),
        pa.field("last_event_at", _TIME),
    ]
)
"""One row per commit: what the lake held after it, and when the last event was that it read."""

TABLES: dict[str, pa.Schema] = {
    "events": EVENTS,
    "rejects": REJECTS,
    "variants": VARIANTS,
    "companions": COMPANIONS,
    "sources": SOURCES,
    "streams": STREAMS,
    "commits": COMMITS,
}
"""The lake's tables. Views read them as `lake_events`, `lake_rejects`, ..."""

DATA_TABLES = ("events", "rejects", "variants", "companions")
"""Tables kept in Parquet segments."""

LAKE_FOLDERS = (*DATA_TABLES, "ledger", "tmp")
"""Folders of a lake."""

LEDGER_TABLES = ("sources", "streams", "commits")
"""Tables of the ledger of which snapshots are kept beside these."""

UNATTRIBUTED_PREFIX = "unattributed-"
