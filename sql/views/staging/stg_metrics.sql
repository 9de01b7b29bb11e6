-- Which metrics did each event give for a step, from its payload or else from its message?
--
-- Grain: job_id, event_id
-- Reads: lake_events
-- Caveat: the message speaks only for an event without payload (absent, null or {}), marked by
--   from_message. Its numbers are rounded, OpenAI's to 2 decimals: a loss of 0.00 is one under
--   0.005. All these events have one lifecycle rank, so (created_at, ordinal, event_id) is the
--   order in time among the events of a step.
create or replace view stg_metrics as
with steps as (
    select
        *,
        -- NULL for every event with a payload, so that only the bare ones are searched for numbers
        case
            when step is null
                and regexp_full_match(coalesce(data, 'null'), '\s*(?:null|\{\s*\})\s*')
                then message
        end as told,
        '[:,] *([a-z ]+)=([-+]?(?:[0-9]+(?:[.][0-9]+)?(?:[eE][-+]?[0-9]+)?|[nN]a[nN]|[iI]nf))'
            as pair
    from lake_events
    where step is not null or starts_with(message, 'Step ')
),

pairs as (
    select
        *,
        try_cast(regexp_extract(told, '^Step ([0-9]+)', 1) as bigint) as told_step,
        try_cast(regexp_extract(told, '^Step [0-9]+/([0-9]+)', 1) as bigint) as told_steps,
        regexp_extract_all(told, pair, 1) as names,
        try_cast(regexp_extract_all(told, pair, 2) as double[]) as numbers
    from steps
)

select
    job_id,
    event_id,
    created_at,
    ordinal,
    coalesce(step, told_step) as step,
    coalesce(total_steps, told_steps) as total_steps,
    coalesce(train_loss, numbers[list_position(names, 'training loss')]) as train_loss,
    train_mean_token_accuracy,
    coalesce(valid_loss, numbers[list_position(names, 'validation loss')]) as valid_loss,
    valid_mean_token_accuracy,
    coalesce(full_valid_loss, numbers[list_position(names, 'full validation loss')])
        as full_valid_loss,
    full_valid_mean_token_accuracy,
    coalesce(train_mean_reward, numbers[list_position(names, 'train mean reward')])
        as train_mean_reward,
    coalesce(valid_mean_reward, numbers[list_position(names, 'validation mean reward')])
        as valid_mean_reward,
    coalesce(full_valid_mean_reward, numbers[list_position(names, 'full validation mean reward')])
        as full_valid_mean_reward,
    coalesce(
        full_valid_mean_parse_error,
        numbers[list_position(names, 'full validation mean parse error')]
    ) as full_valid_mean_parse_error,
    reasoning_tokens_mean,
    valid_reasoning_tokens_mean,
    completion_tokens_mean,
    mean_unresponsive_rewards,
    told_step is not null as from_message
from pairs
where step is not null or told_step is not null
;
