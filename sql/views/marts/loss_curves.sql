-- How did the losses, accuracies and rewards of a job go, step by step?
--
-- Grain: job_id, step
-- Reads: stg_metrics, stg_results
-- Caveat: metrics of a step that came in several events are joined, each metric by its latest
--   value in the order of time, so the later attempt at a step wins. Values read from messages
--   (from_message) are rounded and stand only where no payload gave that metric for the step; those
--   of result files (from_result_file), rounded to 5 decimals, stand only there too, and before
--   those of messages. A step that only a result file tells has no events and no time. NaN and
--   infinities are shown as they are. Azure's times are synthetic: one second a step.
create or replace view loss_curves as
with told as (
    select
        job_id,
        step,
        event_id,
        created_at,
        ordinal,
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
        false as from_result_file,
        case when from_message then 0 else 2 end as told_rank
    from stg_metrics

    union all by name

    select
        *,
        false as from_message,
        true as from_result_file,
        1 as told_rank
    from stg_results
),

joined as (
    select
        job_id,
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
        bool_or(from_result_file) over so_far as from_result_file,
        count(event_id) over so_far as events,
        lead(true) over so_far is null as is_whole
    from told
    window
        so_far as (
            partition by job_id, step
            order by told_rank, created_at, ordinal, event_id
        )
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
    from_result_file,
    events,
    first_created_at
from joined
where is_whole
;

comment on view loss_curves is
    'How did the losses, accuracies and rewards of a job go, step by step?';
comment on column loss_curves.job_id is 'fine-tuning job [id]';
comment on column loss_curves.step is 'training step [step]';
comment on column loss_curves.total_steps is
    'steps the job plans, NULL on Azure and in 2023 [step]';
comment on column loss_curves.created_at is
    'when the latest event of the step happened, NULL where only a result file tells it [UTC]';
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
comment on column loss_curves.from_result_file is
    'true where a row of a result file took part [bool]';
comment on column loss_curves.events is 'metrics events of the step [event]';
comment on column loss_curves.first_created_at is
    'when the earliest event of the step happened [UTC]';
