-- How did the losses, accuracies and rewards of a job go, step by step?
--
-- Grain: job_id, step
-- Reads: stg_retold, stg_told
-- Caveat: an attempt that begins two steps or more before the end of the one before it, and trained
--   two up to that end, owns the curve from its first step on: of this step and later ones, nothing
--   told before it counts (stg_retold; loss_curve_attempts has all). Of what is left, metrics of a
--   step that came in several events are joined, each metric by its latest value in the order of
--   time. Values read from messages (from_message) are rounded and stand only where no payload gave
--   that metric for the step; those of result files (from_result_file), rounded to 5 decimals,
--   stand only there too, and before those of messages. A step that only a result file tells has no
--   events and no time, and no restart throws it away. NaN and infinities are shown as they are.
--   Azure's times are synthetic: one second a step.
create or replace view loss_curves as
with
-- most steps are told once: to join only the others is twice as quick
joined as (
    select
        told.job_id,
        told.step,
        told.event_id,
        told.is_thrown_away,
        max(told.created_at) over so_far as created_at,
        min(told.created_at) over so_far as first_created_at,
        last_value(columns(told.* exclude (
            job_id, step, event_id, created_at, ordinal, from_message, from_result_file, told_rank,
            begun_at, is_thrown_away
        )) ignore nulls) over so_far,
        bool_or(told.from_message) over so_far as from_message,
        bool_or(told.from_result_file) over so_far as from_result_file,
        count(told.event_id) over so_far as events
    from stg_retold as told
    window
        so_far as (
            partition by told.job_id, told.step, told.is_thrown_away
            order by told.told_rank, told.created_at, told.ordinal, told.event_id
        )
    qualify lead(true) over so_far is null
)

select
    told.job_id,
    told.step,
    coalesce(joined.total_steps, told.total_steps) as total_steps,
    coalesce(joined.created_at, told.created_at) as created_at,
    coalesce(joined.train_loss, told.train_loss) as train_loss,
    coalesce(joined.train_mean_token_accuracy, told.train_mean_token_accuracy)
        as train_mean_token_accuracy,
    coalesce(joined.valid_loss, told.valid_loss) as valid_loss,
    coalesce(joined.valid_mean_token_accuracy, told.valid_mean_token_accuracy)
        as valid_mean_token_accuracy,
    coalesce(joined.full_valid_loss, told.full_valid_loss) as full_valid_loss,
    coalesce(joined.full_valid_mean_token_accuracy, told.full_valid_mean_token_accuracy)
        as full_valid_mean_token_accuracy,
    coalesce(joined.train_mean_reward, told.train_mean_reward) as train_mean_reward,
    coalesce(joined.valid_mean_reward, told.valid_mean_reward) as valid_mean_reward,
    coalesce(joined.full_valid_mean_reward, told.full_valid_mean_reward) as full_valid_mean_reward,
    coalesce(joined.full_valid_mean_parse_error, told.full_valid_mean_parse_error)
        as full_valid_mean_parse_error,
    coalesce(joined.reasoning_tokens_mean, told.reasoning_tokens_mean) as reasoning_tokens_mean,
    coalesce(joined.valid_reasoning_tokens_mean, told.valid_reasoning_tokens_mean)
        as valid_reasoning_tokens_mean,
    coalesce(joined.completion_tokens_mean, told.completion_tokens_mean) as completion_tokens_mean,
    coalesce(joined.mean_unresponsive_rewards, told.mean_unresponsive_rewards)
        as mean_unresponsive_rewards,
    coalesce(joined.from_message, told.from_message) as from_message,
    coalesce(joined.from_result_file, told.from_result_file) as from_result_file,
    coalesce(joined.events, (told.event_id is not null)::bigint) as events,
    coalesce(joined.first_created_at, told.created_at) as first_created_at
from stg_told as told
left join joined on told.job_id = joined.job_id and told.step = joined.step
where
    joined.step is null
    or (not joined.is_thrown_away and told.event_id is not distinct from joined.event_id)
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
