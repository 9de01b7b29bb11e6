-- Which metrics does the message of an event without payload tell for a step?
--
-- Grain: job_id, event_id
-- Reads: lake_spoken
-- Columns: job_id, event_id varchar, created_at timestamptz, ordinal bigint, step bigint,
--   total_steps bigint, train_loss double, valid_loss double, full_valid_loss double,
--   train_mean_reward double, valid_mean_reward double, full_valid_mean_reward double,
--   full_valid_mean_parse_error double
-- Caveat: only where the payload is absent, null or {}. The numbers are rounded, OpenAI's to 2
--   decimals: a loss of 0.00 is one under 0.005.
create or replace view stg_spoken as
with spoken as (
    select
        *,
        -- asking for step, too, keeps the expression out of the scan: there it is slow
        case
            when step is null
                then try_cast(regexp_extract(message, '^Step ([0-9]{1,15})\b', 1) as bigint)
        end as told_step,
        try_cast(regexp_extract(message, '^Step [0-9]+/([0-9]{1,15})\b', 1) as bigint)
            as told_steps,
        '[:,] *([a-z ]+)=([-+]?(?:[0-9]+(?:[.][0-9]+)?(?:[eE][-+]?[0-9]+)?|[nN]a[nN]|[iI]nf))'
            as pair,
        regexp_extract_all(message, pair, 1) as names,
        try_cast(regexp_extract_all(message, pair, 2) as double[]) as numbers
    from lake_spoken
    -- of several columns, as in stg_metrics
    where
        case
            when job_id is not null
                then step is null
                    and starts_with(message, 'Step ')
                    and regexp_full_match(coalesce(data, 'null'), '\s*(?:null|\{\s*\})\s*')
        end
)

select
    job_id,
    event_id,
    created_at,
    ordinal,
    told_step as step,
    told_steps as total_steps,
    numbers[list_position(names, 'training loss')] as train_loss,
    numbers[list_position(names, 'validation loss')] as valid_loss,
    numbers[list_position(names, 'full validation loss')] as full_valid_loss,
    numbers[list_position(names, 'train mean reward')] as train_mean_reward,
    numbers[list_position(names, 'validation mean reward')] as valid_mean_reward,
    numbers[list_position(names, 'full validation mean reward')] as full_valid_mean_reward,
    numbers[list_position(names, 'full validation mean parse error')]
        as full_valid_mean_parse_error
from spoken
where told_step is not null
;
