-- How did the losses, accuracies and rewards of a job go, step by step?
--
-- Grain: job_id, step
-- Reads: stg_metrics
-- Caveat: metrics of a step that came in several events are joined, each metric by its latest
--   value in the order of time, so the later attempt at a step wins. Values read from messages
--   (from_message) are rounded and stand only where no payload gave that metric for the step. NaN
--   and infinities are shown as they are. Azure's times are synthetic: one second a step.
create or replace view loss_curves as
with shared as not materialized (
    -- few steps have more than one event: only those pay for the ordering
    select
        job_id,
        step,
        true as is_shared
    from stg_metrics
    group by job_id, step
    having count(*) > 1
),

single_steps as (
    select
        metrics.*,
        metrics.created_at as first_created_at,
        1 as events
    from stg_metrics as metrics
    left join shared on metrics.job_id = shared.job_id and metrics.step = shared.step
    where shared.is_shared is null
),

shared_events as (
    select
        metrics.*,
        {
            'a': not metrics.from_message,
            'b': metrics.created_at,
            'c': metrics.ordinal,
            'd': metrics.event_id
        } as place
    from stg_metrics as metrics
    inner join shared on metrics.job_id = shared.job_id and metrics.step = shared.step
),

shared_steps as (
    select
        job_id,
        step,
        max(created_at) as created_at,
        min(created_at) as first_created_at,
        arg_max(total_steps, place) as total_steps,
        arg_max(train_loss, place) as train_loss,
        arg_max(train_mean_token_accuracy, place) as train_mean_token_accuracy,
        arg_max(valid_loss, place) as valid_loss,
        arg_max(valid_mean_token_accuracy, place) as valid_mean_token_accuracy,
        arg_max(full_valid_loss, place) as full_valid_loss,
        arg_max(full_valid_mean_token_accuracy, place) as full_valid_mean_token_accuracy,
        arg_max(train_mean_reward, place) as train_mean_reward,
        arg_max(valid_mean_reward, place) as valid_mean_reward,
        arg_max(full_valid_mean_reward, place) as full_valid_mean_reward,
        arg_max(full_valid_mean_parse_error, place) as full_valid_mean_parse_error,
        arg_max(reasoning_tokens_mean, place) as reasoning_tokens_mean,
        arg_max(valid_reasoning_tokens_mean, place) as valid_reasoning_tokens_mean,
        arg_max(completion_tokens_mean, place) as completion_tokens_mean,
        arg_max(mean_unresponsive_rewards, place) as mean_unresponsive_rewards,
        count(*) as events,
        bool_or(from_message) as from_message
    from shared_events
    group by job_id, step
)

select
    job_id,
    step,
    total_steps,
    created_at,
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
    events,
    first_created_at
from (
    from single_steps
    union all by name
    from shared_steps
)
;

comment on view loss_curves is
    'How did the losses, accuracies and rewards of a job go, step by step?';
comment on column loss_curves.job_id is 'fine-tuning job [id]';
comment on column loss_curves.step is 'training step [step]';
comment on column loss_curves.total_steps is
    'steps the job plans, NULL on Azure and in 2023 [step]';
comment on column loss_curves.created_at is 'when the latest event of the step happened [UTC]';
comment on column loss_curves.train_loss is 'mean training loss of the step''s batch [1]';
comment on column loss_curves.train_mean_token_accuracy is
    'share of training tokens predicted right [1]';
comment on column loss_curves.valid_loss is 'loss on a sample of the validation set [1]';
comment on column loss_curves.valid_mean_token_accuracy is
    'share of sampled validation tokens predicted right [1]';
comment on column loss_curves.full_valid_loss is 'loss on the whole validation set [1]';
comment on column loss_curves.full_valid_mean_token_accuracy is
    'share of all validation tokens predicted right [1]';
comment on column loss_curves.train_mean_reward is
    'mean reward of the step''s training samples [1]';
comment on column loss_curves.valid_mean_reward is
    'mean reward on a sample of the validation set [1]';
comment on column loss_curves.full_valid_mean_reward is
    'mean reward on the whole validation set [1]';
comment on column loss_curves.full_valid_mean_parse_error is
    'share of validation samples that did not parse [1]';
comment on column loss_curves.reasoning_tokens_mean is
    'mean reasoning tokens of a training sample [token]';
comment on column loss_curves.valid_reasoning_tokens_mean is
    'mean reasoning tokens of a validation sample [token]';
comment on column loss_curves.completion_tokens_mean is
    'mean completion tokens of a training sample [token]';
comment on column loss_curves.mean_unresponsive_rewards is
    'mean reward calls that gave no answer [1]';
comment on column loss_curves.from_message is
    'true where an event without payload took part, its numbers read from its message [bool]';
comment on column loss_curves.events is 'metrics events of the step [event]';
comment on column loss_curves.first_created_at is
    'when the earliest event of the step happened [UTC]';
