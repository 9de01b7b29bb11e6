-- Which step of each job was best, how much worse is the last one, and what was every evaluation?
--
-- Grain: job_id
-- Reads: stg_evaluations
-- Caveat: best_steps, with what its answer was chosen from: judgements are {step, value} of every
--   evaluation, in any order. A curve is made once for both. Two smoothed values no further apart
--   than tolerance may differ by noise: two standard deviations of one evaluation, divided by the
--   square root of those to one side that it goes by.
create or replace view stg_bests as
with extremes as (
    select
        job_id,
        any_value(metric) as metric,
        bool_or(higher_is_better) as higher_is_better,
        bool_or(is_smoothed) as is_smoothed,
        any_value(evaluations) as evaluations,
        list({'step': step, 'value': judged}) as judgements,
        2 * median(off) / (sqrt(1.5) * 0.6745) / sqrt(any_value(reach)) as apart,
        min(best) as best,
        arg_max(coalesce(judged, value), step) as last_value,
        max(step) as last_step
    from stg_evaluations
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
    evaluations,
    judgements,
    case when is_smoothed then coalesce(apart, 0) else 0 end as tolerance
from extremes
;
