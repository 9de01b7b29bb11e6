-- By which metric is each job judged, and what was it at every evaluation?
--
-- Grain: job_id, step
-- Reads: loss_curves_smoothed
-- Caveat: the first of full_valid_loss, valid_loss, full_valid_mean_reward and valid_mean_reward
--   with two finite values at least, else with one: OpenAI often gives full_valid_loss at the last
--   step only, and one value has no better. What is taken from a sample of the validation set is
--   judged by its smoothed value.
create or replace view stg_evaluations as
with points as (
    select
        job_id,
        metric,
        step,
        value,
        case
            when metric in ('valid_loss', 'valid_mean_reward') then smoothed
            when isfinite(value) then value
        end as judged
    from loss_curves_smoothed
    where
        metric in ('full_valid_loss', 'valid_loss', 'full_valid_mean_reward', 'valid_mean_reward')
),

counted as (
    select
        *,
        count(judged) over (partition by job_id, metric) as evaluations
    from points
),

ranked as (
    select
        *,
        list_position(
            ['full_valid_loss', 'valid_loss', 'full_valid_mean_reward', 'valid_mean_reward'],
            metric
        ) + case when evaluations < 2 then 4 else 0 end as choice
    from counted
    where evaluations > 0
)

select
    job_id,
    metric,
    metric like '%reward' as higher_is_better,
    metric in ('valid_loss', 'valid_mean_reward') as is_smoothed,
    step,
    value,
    judged,
    evaluations
from ranked
qualify choice = min(choice) over (partition by job_id)
;
