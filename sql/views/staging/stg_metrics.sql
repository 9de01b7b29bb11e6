-- Which metrics did each event give for a step, from its payload or else from its message?
--
-- Grain: job_id, event_id
-- Reads: stg_events, stg_message_metrics
-- Caveat: a payload always wins; the message speaks only for events without one (from_message).
create or replace view stg_metrics as
select
    job_id,
    event_id,
    created_at,
    lifecycle_rank,
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
    false as from_message
from stg_events
where step is not null

union all by name

select
    *,
    true as from_message
from stg_message_metrics
;
