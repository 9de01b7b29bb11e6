-- How did each attempt at a job go, step by step, those included that a restart threw away?
--
-- Grain: job_id, attempt, step
-- Reads: stg_metrics, stg_restarts, stg_retold
-- Caveat: like loss_curves, but nothing is dropped: a step that was given by several attempts has a
--   row for each. is_canonical marks one row of each step of loss_curves: of the last attempt that
--   gave the step, unless a later one owns the curve from it on (stg_retold). Metrics of a step
--   that came in several events of one attempt are joined, payloads before messages; loss_curves
--   joins those of all attempts that count, as where an evaluation that comes late begins one.
create or replace view loss_curve_attempts as
with
-- most steps are told once: to join only the others is three times as quick
retold as materialized (
    from stg_retold
),

-- asked for twice: to find them takes as long as all the rest
restarts as materialized (
    from stg_restarts
),

attempts as not materialized (
    select
        metrics.*,
        attempt_at(
            restarts.places, metrics.created_at, metrics.step, metrics.ordinal, metrics.event_id
        ) as attempt
    from stg_metrics as metrics
    left join restarts on metrics.job_id = restarts.job_id
),

repeated as (
    select distinct
        job_id,
        step
    from retold
),

reruns as (
    select
        job_id,
        list(distinct {'step': step, 'begun_at': begun_at}) as rerun
    from retold
    where begun_at is not null
    group by job_id
),

joined as (
    select
        told.job_id,
        told.attempt,
        told.step,
        told.event_id,
        told.attempt = max(told.attempt) over (partition by told.job_id, told.step)
            as is_canonical,
        max(told.created_at) over so_far as created_at,
        min(told.created_at) over so_far as first_created_at,
        last_value(columns(told.* exclude (
            job_id, step, event_id, created_at, ordinal, from_message, attempt
        )) ignore nulls) over so_far,
        bool_or(told.from_message) over so_far as from_message,
        count(*) over so_far as events
    from attempts as told
    inner join repeated on told.job_id = repeated.job_id and told.step = repeated.step
    window
        so_far as (
            partition by told.job_id, told.attempt, told.step
            order by not told.from_message, told.created_at, told.ordinal, told.event_id
        )
    qualify lead(true) over so_far is null
)

select
    told.job_id,
    told.attempt,
    told.step,
    coalesce(joined.is_canonical, true)
    and not thrown_away(
        reruns.rerun, coalesce(joined.created_at, told.created_at), told.step
    ) as is_canonical,
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
    coalesce(joined.events, 1) as events,
    coalesce(joined.first_created_at, told.created_at) as first_created_at
from attempts as told
left join joined
    on
        told.job_id = joined.job_id
        and told.attempt = joined.attempt
        and told.step = joined.step
left join reruns on told.job_id = reruns.job_id
where joined.step is null or told.event_id = joined.event_id
;

comment on view loss_curve_attempts is
    'How did each attempt at a job go, step by step, those included that a restart threw away?';
comment on column loss_curve_attempts.job_id is 'fine-tuning job [id]';
comment on column loss_curve_attempts.attempt is 'number of the attempt in its job, from 1 [1]';
comment on column loss_curve_attempts.step is 'training step [step]';
comment on column loss_curve_attempts.is_canonical is
    'true where no later attempt gave the step, or owns the curve from it on [bool]';
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
