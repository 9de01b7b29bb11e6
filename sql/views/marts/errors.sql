-- What failed, when, in which job, and why?
--
-- Grain: job_id, event_id
-- Order: job_id, created_at, lifecycle_rank, order_step, ordinal, event_id
-- Reads: stg_events
-- Caveat: events of level error, messages that tell a failure at any level, and moderation checks
--   that blocked a model (their level is info); told_by says which.
create or replace view errors as
with candidates as (
    select
        *,
        case
            when lower(level) = 'error' then 'level'
            when lifecycle = 'failed' then 'message'
            when lifecycle = 'moderation' and blocks(message, data) then 'moderation'
        end as told_by
    from stg_events
    where lower(level) = 'error' or lifecycle in ('failed', 'moderation')
)

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
    try(json_extract_string(data, '$.error_code')) as error_code,
    try(json_extract_string(data, '$.error_param')) as error_param,
    data,
    told_by,
    lifecycle,
    dialect
from candidates
where told_by is not null
;

comment on view errors is 'What failed, when, in which job, and why?';
comment on column errors.job_id is 'fine-tuning job [id]';
comment on column errors.event_id is 'the event [id]';
comment on column errors.created_at is 'when the event happened [UTC]';
comment on column errors.lifecycle_rank is 'rank among events of one second [1]';
comment on column errors.order_step is
    'step that orders events of one rank in one second, -1 for none [step]';
comment on column errors.ordinal is 'order of the dump, growing with time [1]';
comment on column errors.level is 'level as sent [text]';
comment on column errors.type is 'type of the event, NULL where it has none [text]';
comment on column errors.message is 'the text of the event [text]';
comment on column errors.error_code is 'error_code of the payload, NULL where it has none [text]';
comment on column errors.error_param is 'error_param of the payload, NULL where it has none [text]';
comment on column errors.data is 'the payload as JSON text [text]';
comment on column errors.told_by is
    'why it counts as an error: level, message or moderation [text]';
comment on column errors.lifecycle is 'what the message means for the job [text]';
comment on column errors.dialect is 'openai, azure or legacy [text]';
