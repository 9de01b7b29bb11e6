-- Which step of each job was best, and how much worse is the last one?
--
-- Grain: job_id
-- Reads: stg_evaluations
-- Caveat: by the validation metric of stg_evaluations: full_valid_loss, else smoothed valid_loss,
--   else full_valid_mean_reward, else smoothed valid_mean_reward, smoothed by the mean of a value
--   and its two neighbours; of which two finite values are needed as long as any metric has them.
--   A job that was never validated has no row. NaN and infinities never win: where the last value
--   is one, the regret is NULL. The earliest step wins among equals, which are equal to nine
--   digits. last_step is the last evaluation, which need not be the last step.
create or replace view best_steps as
with losses as (
    select
        *,
        case when higher_is_better then -judged else judged end as loss
    from stg_evaluations
),

leasts as (
    select
        *,
        min(loss) over (partition by job_id) as least
    from losses
),

extremes as (
    select
        job_id,
        any_value(metric) as metric,
        bool_or(higher_is_better) as higher_is_better,
        bool_or(is_smoothed) as is_smoothed,
        any_value(evaluations) as evaluations,
        min({'step': step, 'value': judged}) filter (where loss <= least + 1e-9 * abs(least))
            as best,
        arg_max(coalesce(judged, value), step) as last_value,
        max(step) as last_step
    from leasts
    group by job_id
)

select
    job_id,
    metric,
    higher_is_better,
    is_smoothed,
    best.step as best_step,
    best.value as best_value,
    last_step,
    last_value,
    case
        when abs(last_value - best_value) <= 1e-9 * abs(best_value) then 0
        when isfinite(last_value) then abs(last_value - best_value)
    end as regret,
    case when best_value <> 0 then 100 * regret / abs(best_value) end as regret_share,
    evaluations
from extremes
;

comment on view best_steps is
    'Which step of each job was best, and how much worse is the last one?';
comment on column best_steps.job_id is 'fine-tuning job [id]';
comment on column best_steps.metric is
    'full_valid_loss, valid_loss, full_valid_mean_reward or valid_mean_reward [text]';
comment on column best_steps.higher_is_better is 'true for a reward, false for a loss [bool]';
comment on column best_steps.is_smoothed is
    'true where the values are means of three neighbouring evaluations [bool]';
comment on column best_steps.best_step is 'step with the best value [step]';
comment on column best_steps.best_value is 'the metric at that step [unit of the metric]';
comment on column best_steps.last_step is 'last step with a value of the metric [step]';
comment on column best_steps.last_value is
    'the metric at the last step; NaN and infinities as they are [unit of the metric]';
comment on column best_steps.regret is
    'how much worse the last value is than the best, NULL if not finite [unit of the metric]';
comment on column best_steps.regret_share is
    'the regret in percent of the best value, NULL where that is 0 [%]';
comment on column best_steps.evaluations is 'finite values of the metric [evaluation]';
