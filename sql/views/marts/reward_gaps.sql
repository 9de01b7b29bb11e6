-- Does the reward hold on the validation set, do answers grow longer, do graders fail?
--
-- Grain: job_id, step
-- Reads: loss_curves, lake_events
-- Caveat: steps of reinforcement jobs that have a reward. The validation reward is that of the
--   whole set, else of a sample. Growth is against the first step that has the figure. Grader
--   errors are the means of all graders and kinds of error added up, of the latest event of the
--   step; answers that did not parse (sample_parse_error) count apart. NaN and infinities are
--   passed over in sums and growth.
-- Source: OpenAI guide, Reinforcement fine-tuning, metrics of a step.
create or replace view reward_gaps as
with error_values as (
    select
        job_id,
        step,
        created_at,
        ordinal,
        event_id,
        unnest(map_entries(other_metrics)) as entry
    from lake_events
    where step is not null and other_metrics is not null
),

latest_errors as (
    select
        job_id,
        step,
        entry.key as key,
        arg_max(entry.value, {'a': created_at, 'b': ordinal, 'c': event_id}) as value
    from error_values
    where regexp_matches(entry.key, '^errors/graders/.*/(train|valid)_[^/]*_error_mean$')
        and isfinite(entry.value)
    group by job_id, step, entry.key
),

kinds as (
    select
        *,
        regexp_matches(key, '/train_[^/]*$') as is_train,
        regexp_matches(key, '_sample_parse_error_mean$') as is_parse
    from latest_errors
),

grader_errors as (
    select
        job_id,
        step,
        sum(value) filter (where is_train and not is_parse) as train_grader_error,
        sum(value) filter (where not is_train and not is_parse) as valid_grader_error,
        max(value) filter (where is_train and is_parse) as train_parse_error,
        max(value) filter (where not is_train and is_parse) as valid_parse_error
    from kinds
    group by job_id, step
),

rewards as (
    select
        *,
        coalesce(full_valid_mean_reward, valid_mean_reward) as valid_reward,
        first_value(
            case when isfinite(reasoning_tokens_mean) then reasoning_tokens_mean end ignore nulls
        ) over by_step as first_reasoning_tokens,
        first_value(
            case when isfinite(completion_tokens_mean) then completion_tokens_mean end ignore nulls
        ) over by_step as first_completion_tokens
    from loss_curves
    window
        by_step as (
            partition by job_id
            order by step
            rows between unbounded preceding and unbounded following
        )
)

select
    rewards.job_id,
    rewards.step,
    rewards.train_mean_reward as train_reward,
    rewards.valid_reward,
    rewards.train_mean_reward - rewards.valid_reward as gap,
    rewards.reasoning_tokens_mean as reasoning_tokens,
    case
        when rewards.first_reasoning_tokens <> 0 and isfinite(rewards.reasoning_tokens_mean)
            then 100 * (rewards.reasoning_tokens_mean / rewards.first_reasoning_tokens - 1)
    end as reasoning_growth,
    rewards.completion_tokens_mean as completion_tokens,
    case
        when rewards.first_completion_tokens <> 0 and isfinite(rewards.completion_tokens_mean)
            then 100 * (rewards.completion_tokens_mean / rewards.first_completion_tokens - 1)
    end as completion_growth,
    grader_errors.train_grader_error,
    grader_errors.valid_grader_error,
    grader_errors.train_parse_error,
    coalesce(rewards.full_valid_mean_parse_error, grader_errors.valid_parse_error)
        as valid_parse_error,
    rewards.mean_unresponsive_rewards as unresponsive_rewards
from rewards
left join grader_errors
    on rewards.job_id = grader_errors.job_id and rewards.step = grader_errors.step
where rewards.train_mean_reward is not null or rewards.valid_reward is not null
;

comment on view reward_gaps is
    'Does the reward hold on the validation set, do answers grow longer, do graders fail?';
comment on column reward_gaps.job_id is 'fine-tuning job [id]';
comment on column reward_gaps.step is 'training step [step]';
comment on column reward_gaps.train_reward is 'mean reward of the step''s training samples [1]';
comment on column reward_gaps.valid_reward is
    'mean reward on the whole validation set, else on a sample of it [1]';
comment on column reward_gaps.gap is
    'training reward minus validation reward, NULL where the step lacks one [1]';
comment on column reward_gaps.reasoning_tokens is
    'mean reasoning tokens of a training sample [token]';
comment on column reward_gaps.reasoning_growth is
    'how many more these are than at the first step that has them [%]';
comment on column reward_gaps.completion_tokens is
    'mean completion tokens of a training sample [token]';
comment on column reward_gaps.completion_growth is
    'how many more these are than at the first step that has them [%]';
comment on column reward_gaps.train_grader_error is
    'grader errors a training sample, but for answers that did not parse [1]';
comment on column reward_gaps.valid_grader_error is
    'grader errors a validation sample, but for answers that did not parse [1]';
comment on column reward_gaps.train_parse_error is
    'share of training samples that did not parse, of the worst grader [1]';
comment on column reward_gaps.valid_parse_error is
    'share of validation samples that did not parse [1]';
comment on column reward_gaps.unresponsive_rewards is
    'mean reward calls that gave no answer [1]';
