-- What warned, when, in which job?
--
-- Grain: job_id, event_id
-- Order: job_id, created_at, lifecycle_rank, order_step, ordinal, event_id
-- Reads: stg_events
-- Caveat: a cancellation is a warning of OpenAI's; Azure tells it at level info, so it is not
--   here.
create or replace view warnings as
select
    job_id,
    event_id,
    created_at,
    lifecycle_rank,
    order_step,
    ordinal,
    level,
    type,
    message,
    data,
    lifecycle,
    dialect
from stg_events
where lower(level) in ('warn', 'warning')
;

comment on view warnings is 'What warned, when, in which job?';
comment on column warnings.job_id is 'fine-tuning job [id]';
comment on column warnings.event_id is 'the event [id]';
comment on column warnings.created_at is 'when the event happened [UTC]';
comment on column warnings.lifecycle_rank is 'rank among events of one second [1]';
comment on column warnings.order_step is
    'step that orders events of one rank in one second, -1 for none [step]';
comment on column warnings.ordinal is 'order of the dump, growing with time [1]';
comment on column warnings.level is 'level as sent: warn or warning [text]';
comment on column warnings.type is 'type of the event, NULL where it has none [text]';
comment on column warnings.message is 'the text of the event [text]';
comment on column warnings.data is 'the payload as JSON text [text]';
comment on column warnings.lifecycle is
    'what the message means for the job, other where unknown [text]';
comment on column warnings.dialect is 'openai, azure or legacy [text]';
