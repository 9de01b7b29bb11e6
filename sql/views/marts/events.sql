-- What happened, event by event, as it was sent?
--
-- Grain: job_id, event_id
-- Order: job_id, created_at, lifecycle_rank, order_step, ordinal, event_id
-- Reads: stg_events
-- Caveat: one row per (job, event id): the same event read twice is here once, and contents that
--   lost against another of the same identity are in variants. Source, stream and position are
--   those of the copy that was kept.
create or replace view events as
from stg_events
;

comment on view events is 'What happened, event by event, as it was sent?';
comment on column events.job_id is
    'fine-tuning job the event belongs to; `unattributed-...` while unknown [id]';
comment on column events.event_id is
    'id the API gave the event; `hash-...` for dialects without ids [id]';
comment on column events.created_at is 'when the event happened, whole seconds [UTC]';
comment on column events.level is 'info, warn, error, or the unknown text as sent [text]';
comment on column events.type is
    'message, metrics, moderation_checks, ...; NULL where the event has none [text]';
comment on column events.message is 'the text of the event, as sent [text]';
comment on column events.step is 'training step the metrics belong to [step]';
comment on column events.total_steps is 'steps the job plans [step]';
comment on column events.train_loss is 'mean training loss of the step''s batch [1]';
comment on column events.train_mean_token_accuracy is
    'share of training tokens predicted right [1]';
comment on column events.valid_loss is 'loss on a sample of the validation set [1]';
comment on column events.valid_mean_token_accuracy is
    'share of sampled validation tokens predicted right [1]';
comment on column events.full_valid_loss is 'loss on the whole validation set [1]';
comment on column events.full_valid_mean_token_accuracy is
    'share of all validation tokens predicted right [1]';
comment on column events.train_mean_reward is 'mean reward of the step''s training samples [1]';
comment on column events.valid_mean_reward is 'mean reward on a sample of the validation set [1]';
comment on column events.full_valid_mean_reward is 'mean reward on the whole validation set [1]';
comment on column events.full_valid_mean_parse_error is
    'share of validation samples that did not parse [1]';
comment on column events.reasoning_tokens_mean is
    'mean reasoning tokens of a training sample [token]';
comment on column events.valid_reasoning_tokens_mean is
    'mean reasoning tokens of a validation sample [token]';
comment on column events.completion_tokens_mean is
    'mean completion tokens of a training sample [token]';
comment on column events.mean_unresponsive_rewards is 'mean reward calls that gave no answer [1]';
comment on column events.other_metrics is
    'every other numeric leaf of data: path joined with / -> value [as sent]';
comment on column events.data is
    'the payload as JSON text; NULL where absent, ''null'' and ''{}'' are themselves [text]';
comment on column events.extra is
    'unknown top-level fields as JSON text, NULL where there are none [text]';
comment on column events.misfits is
    'known metrics and steps whose value in data is none; NULL where there are none [list of text]';
comment on column events.object is 'the event''s own object field; NULL where absent [text]';
comment on column events.dialect is 'openai, azure, legacy [text]';
comment on column events.stream_id is
    'the stream (document or run of lines) the event was read from [id]';
comment on column events.source_id is 'the source (file or stdin) the event was read from [id]';
comment on column events.position is 'ordinal of the record in its source, from 0 [record]';
comment on column events."offset" is
    'byte offset of the record in its (decompressed) source [byte]';
comment on column events.ordinal is
    'position counted so that it grows with time: -position in newest-first streams [1]';
comment on column events.lifecycle is
    'what the message means for the job, other where unknown [text]';
comment on column events.lifecycle_rank is 'rank of that among events of one second [1]';
comment on column events.order_step is
    'step used in the order in time, -1 where the event has none [step]';
comment on column events.synthetic_time is
    'true for Azure''s steps, whose times are counted up, not measured [bool]';
