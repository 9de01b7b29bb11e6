-- Which attempt at its steps does each metrics event belong to?
--
-- Grain: job_id, event_id
-- Order: job_id, created_at, step, ordinal, event_id
-- Reads: stg_metrics
-- Caveat: an attempt begins where, in order of time, the step falls, or where a metric is given
--   again for a step that has it in this attempt. Events of one step that give different metrics
--   (training and validation apart) are one attempt, and so are a payload and a message that tell
--   the same.
create or replace view stg_attempts as
with given as (
    select
        *,
        -- a bit for each metric given, those of messages apart from those of payloads
        (
            (train_loss is not null)::bigint
            | ((train_mean_token_accuracy is not null)::bigint << 1)
            | ((valid_loss is not null)::bigint << 2)
            | ((valid_mean_token_accuracy is not null)::bigint << 3)
            | ((full_valid_loss is not null)::bigint << 4)
            | ((full_valid_mean_token_accuracy is not null)::bigint << 5)
            | ((train_mean_reward is not null)::bigint << 6)
            | ((valid_mean_reward is not null)::bigint << 7)
            | ((full_valid_mean_reward is not null)::bigint << 8)
            | ((full_valid_mean_parse_error is not null)::bigint << 9)
            | ((reasoning_tokens_mean is not null)::bigint << 10)
            | ((valid_reasoning_tokens_mean is not null)::bigint << 11)
            | ((completion_tokens_mean is not null)::bigint << 12)
            | ((mean_unresponsive_rewards is not null)::bigint << 13)
        ) << (14 * from_message::bigint) as metrics_given
    from stg_metrics
),

neighbours as (
    select
        *,
        lag(step) over in_time as step_before
    from given
    window in_time as (partition by job_id order by created_at, step, ordinal, event_id)
),

-- neighbours in time of one step
runs as (
    select
        *,
        count(*) filter (where step is distinct from step_before) over in_time as run
    from neighbours
    window in_time as (partition by job_id order by created_at, step, ordinal, event_id)
),

histories as (
    select
        *,
        list(metrics_given) over (
            partition by job_id, run order by created_at, ordinal, event_id
        ) as given_so_far
    from runs
),

begins as (
    select
        *,
        case
            when step_before is null then 'start'
            when step < step_before then 'fall'
            -- what the attempt has given for the step, negative where that had to begin anew
            when list_reduce(
                given_so_far,
                lambda known, new:
                    case when abs(known) & new = 0 then abs(known) | new else -new end
            ) < 0 then 'repeat'
        end as began_by
    from histories
)

select
    job_id,
    event_id,
    created_at,
    ordinal,
    step,
    total_steps,
    train_loss,
    train_mean_token_accuracy,
    valid_loss,
    valid_mean_token_accuracy,
    full_valid_loss,
    full_valid_mean_token_accuracy,
    train_mean_reward,
    valid_mean_reward,
    full_valid_mean_reward,
    full_valid_mean_parse_error,
    reasoning_tokens_mean,
    valid_reasoning_tokens_mean,
    completion_tokens_mean,
    mean_unresponsive_rewards,
    from_message,
    began_by,
    count(began_by) over in_time as attempt
from begins
window in_time as (partition by job_id order by created_at, step, ordinal, event_id)
;
