-- How did each attempt at a job go, step by step, those included that a restart threw away?
--
-- Grain: job_id, attempt, step
-- Reads: stg_attempts
-- Caveat: like loss_curves, but nothing is dropped: a step that was given by several attempts has
--   a row for each. is_canonical marks the last attempt that gave the step. Metrics of a step that
--   came in several events of one attempt are joined, payloads before messages.
create or replace view loss_curve_attempts as
with joined as (
    select
        job_id,
        attempt,
        step,
        max(created_at) over so_far as created_at,
        min(created_at) over so_far as first_created_at,
        last_value(total_steps ignore nulls) over so_far as total_steps,
        last_value(train_loss ignore nulls) over so_far as train_loss,
        last_value(train_mean_token_accuracy ignore nulls) over so_far as train_mean_token_accuracy,
        last_value(valid_loss ignore nulls) over so_far as valid_loss,
        last_value(valid_mean_token_accuracy ignore nulls) over so_far as valid_mean_token_accuracy,
        last_value(full_valid_loss ignore nulls) over so_far as full_valid_loss,
        last_value(full_valid_mean_token_accuracy ignore nulls) over so_far
            as full_valid_mean_token_accuracy,
        last_value(train_mean_reward ignore nulls) over so_far as train_mean_reward,
        last_value(valid_mean_reward ignore nulls) over so_far as valid_mean_reward,
        last_value(full_valid_mean_reward ignore nulls) over so_far as full_valid_mean_reward,
        last_value(full_valid_mean_parse_error ignore nulls) over so_far
            as full_valid_mean_parse_error,
        last_value(reasoning_tokens_mean ignore nulls) over so_far as reasoning_tokens_mean,
        last_value(valid_reasoning_tokens_mean ignore nulls) over so_far
            as valid_reasoning_tokens_mean,
        last_value(completion_tokens_mean ignore nulls) over so_far as completion_tokens_mean,
        last_value(mean_unresponsive_rewards ignore nulls) over so_far as mean_unresponsive_rewards,
        bool_or(from_message) over so_far as from_message,
        count(*) over so_far as events,
        lead(event_id) over so_far is null as is_whole
    from stg_attempts
    window
        so_far as (
            partition by job_id, attempt, step
            order by not from_message, created_at, ordinal, event_id
        )
)

select
    job_id,
    attempt,
    step,
    attempt = max(attempt) over (partition by job_id, step) as is_canonical,
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
from joined
where is_whole
;

comment on view loss_curve_attempts is
    'How did each attempt at a job go, step by step, those included that a restart threw away?';
comment on column loss_curve_attempts.job_id is 'fine-tuning job [id]';
comment on column loss_curve_attempts.attempt is 'number of the attempt in its job, from 1 [1]';
comment on column loss_curve_attempts.step is 'training step [step]';
comment on column loss_curve_attempts.is_canonical is
    'true where no later attempt gave the step [bool]';
comment on column loss_curve_attempts.total_steps is
    'steps the job plans, NULL on Azure and in 2023 [step]';
comment on column loss_curve_attempts.created_at is
    'when the latest event of the step happened [UTC]';
comment on column loss_curve_attempts.train_loss is 'mean training loss of the step''s batch [1]';
comment on column loss_curve_attempts.train_mean_token_accuracy is
    'share of training tokens predicted right [1]';
comment on column loss_curve_attempts.valid_loss is 'loss on a sample of the validation set [1]';
comment on column loss_curve_attempts.valid_mean_token_accuracy is
    'share of sampled validation tokens predicted right [1]';
comment on column loss_curve_attempts.full_valid_loss is 'loss on the whole validation set [1]';
comment on column loss_curve_attempts.full_valid_mean_token_accuracy is
    'share of all validation tokens predicted right [1]';
comment on column loss_curve_attempts.train_mean_reward is
    'mean reward of the step''s training samples [1]';
comment on column loss_curve_attempts.valid_mean_reward is
    'mean reward on a sample of the validation set [1]';
comment on column loss_curve_attempts.full_valid_mean_reward is
    'mean reward on the whole validation set [1]';
comment on column loss_curve_attempts.full_valid_mean_parse_error is
    'share of validation samples that did not parse [1]';
comment on column loss_curve_attempts.reasoning_tokens_mean is
    'mean reasoning tokens of a training sample [token]';
comment on column loss_curve_attempts.valid_reasoning_tokens_mean is
    'mean reasoning tokens of a validation sample [token]';
comment on column loss_curve_attempts.completion_tokens_mean is
    'mean completion tokens of a training sample [token]';
comment on column loss_curve_attempts.mean_unresponsive_rewards is
    'mean reward calls that gave no answer [1]';
comment on column loss_curve_attempts.from_message is
    'true where an event without payload took part, its numbers read from its message [bool]';
comment on column loss_curve_attempts.events is 'metrics events of the step [event]';
comment on column loss_curve_attempts.first_created_at is
    'when the earliest event of the step happened [UTC]';
