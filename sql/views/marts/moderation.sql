-- Which models went through usage policy checks, and what was flagged or blocked?
--
-- Grain: job_id, event_id, result
-- Order: job_id, created_at, event_id, result
-- Reads: stg_events
-- Caveat: one row for every category that was checked; a check without listed results has one row
--   whose result is 0. Blocked is the verdict of the whole check; without a payload it is what
--   the message says: passed, failed or blocked. A flagged category that is non_blocking blocks
--   nothing.
create or replace view moderation as
with checks as (
    select
        job_id,
        event_id,
        created_at,
        message,
        try(json_extract_string(data, '$.finetuned_model_checkpoint_id')) as told_model,
        blocks(message, data) as blocked,
        coalesce(try(json_array_length(data, '$.results')), 0)::bigint as results,
        data
    from stg_events
    where lifecycle = 'moderation'
),

numbered as (
    select
        *,
        unnest(case when results = 0 then [0] else range(1, results + 1) end) as result
    from checks
),

results as (
    select
        *,
        case when result > 0 then json_extract(data, printf('$.results[%d]', result - 1)) end
            as entry
    from numbered
)

select
    job_id,
    event_id,
    result,
    created_at,
    coalesce(
        told_model,
        nullif(regexp_extract(message, 'snapshot ([^ ]*[A-Za-z0-9])', 1), '')
    ) as model_id,
    blocked,
    entry ->> '$.category' as category,
    try_cast(entry ->> '$.flagged' as boolean) as flagged,
    entry ->> '$.enforcement' as enforcement,
    message
from results
;

comment on view moderation is
    'Which models went through usage policy checks, and what was flagged or blocked?';
comment on column moderation.job_id is 'fine-tuning job [id]';
comment on column moderation.event_id is 'the event of the check [id]';
comment on column moderation.result is 'place of the category in the check, from 1; 0 for none [1]';
comment on column moderation.created_at is 'when the check was logged [UTC]';
comment on column moderation.model_id is 'model that was checked [id]';
comment on column moderation.blocked is 'whether the check as a whole blocked the model [bool]';
comment on column moderation.category is 'policy category, NULL where none is listed [text]';
comment on column moderation.flagged is 'whether the category was flagged [bool]';
comment on column moderation.enforcement is 'blocking or non_blocking [text]';
comment on column moderation.message is 'the text of the event [text]';
