-- Which numbers did each event carry, one by one?
--
-- Grain: job_id, event_id, metric
-- Order: job_id, created_at, step, metric, event_id
-- Reads: lake_events, stg_metrics
-- Caveat: known metrics under the API's own names; every other number of the payload under its
--   path, parts joined with a slash. Numbers of a message count only where the event has no
--   payload (from_message), rounded as they are there. Step and total_steps are columns, not
--   metrics.
create or replace view metrics as
with column_values as (
    unpivot (
        select
            job_id,
            event_id,
            created_at,
            step,
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
            mean_unresponsive_rewards
        from lake_events
    )
    on columns(* exclude (job_id, event_id, created_at, step))
    into name metric value value
),

other_values as (
    select
        job_id,
        event_id,
        created_at,
        step,
        unnest(map_keys(other_metrics)) as metric,
        unnest(map_values(other_metrics)) as value
    from lake_events
    where other_metrics is not null
),

message_values as (
    unpivot (from stg_metrics where from_message)
    on
        train_loss,
        valid_loss,
        full_valid_loss,
        train_mean_reward,
        valid_mean_reward,
        full_valid_mean_reward,
        full_valid_mean_parse_error
    into name metric value value
)

select
    *,
    true as known,
    false as from_message
from column_values

union all

select
    *,
    false as known,
    false as from_message
from other_values

union all

select
    job_id,
    event_id,
    created_at,
    step,
    metric,
    value,
    true as known,
    true as from_message
from message_values
;

comment on view metrics is 'Which numbers did each event carry, one by one?';
comment on column metrics.job_id is 'fine-tuning job [id]';
comment on column metrics.event_id is 'event that carried the number [id]';
comment on column metrics.created_at is 'when the event happened [UTC]';
comment on column metrics.step is 'training step of the event, NULL where it has none [step]';
comment on column metrics.metric is
    'name of the metric, or path of the number in the payload [text]';
comment on column metrics.value is
    'the number; NaN and infinities as they are [unit of the metric]';
comment on column metrics.known is 'true for a metric of the API that has its own column [bool]';
comment on column metrics.from_message is 'true where the number was read from the message [bool]';
