-- Which steps and losses stand only in the text of a message, because the event has no payload?
--
-- Grain: job_id, event_id
-- Reads: stg_events
-- Caveat: only events without payload (absent, null or {}); numbers in messages are rounded, OpenAI's
--   to 2 decimals, so a loss of 0.00 here is anything under 0.005.
create or replace view stg_message_metrics as
with bare as (
    select
        *,
        '[:,] *([a-z ]+)=([-+]?(?:[0-9][0-9.]*(?:[eE][-+]?[0-9]+)?|[nN]a[nN]|[iI]nf(?:inity)?))'
            as pair
    from stg_events
    where
        step is null
        and starts_with(message, 'Step ')
        and regexp_full_match(coalesce(data, 'null'), '\s*(?:null|\{\s*\})\s*')
),

pairs as (
    select
        *,
        regexp_extract_all(message, pair, 1) as names,
        regexp_extract_all(message, pair, 2) as numbers,
        try_cast(regexp_extract(message, '^Step ([0-9]+)', 1) as bigint) as told_step,
        try_cast(regexp_extract(message, '^Step [0-9]+/([0-9]+)', 1) as bigint) as told_steps
    from bare
)

select
    job_id,
    event_id,
    created_at,
    lifecycle_rank,
    ordinal,
    told_step as step,
    told_steps as total_steps,
    try_cast(numbers[list_position(names, 'training loss')] as double) as train_loss,
    try_cast(numbers[list_position(names, 'validation loss')] as double) as valid_loss,
    try_cast(numbers[list_position(names, 'full validation loss')] as double) as full_valid_loss,
    try_cast(numbers[list_position(names, 'train mean reward')] as double) as train_mean_reward,
    try_cast(numbers[list_position(names, 'validation mean reward')] as double)
        as valid_mean_reward,
    try_cast(numbers[list_position(names, 'full validation mean reward')] as double)
        as full_valid_mean_reward,
    try_cast(numbers[list_position(names, 'full validation mean parse error')] as double)
        as full_valid_mean_parse_error
from pairs
where told_step is not null
;
