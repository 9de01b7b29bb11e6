-- Which steps does the dump of each job lack, and which were logged too early?
--
-- Grain: job_id
-- Reads: stg_metrics
-- Caveat: missing steps are judged by the job's own stride, its most common distance of steps, the
--   greater of equals, up to its greatest step. A step is early that was first logged before the
--   next smaller one was; a restart logs known steps again and is none.
create or replace view stg_step_gaps as
with steps as (
    select
        job_id,
        step,
        min(created_at) as first_created_at
    from stg_metrics
    group by job_id, step
),

neighbours as (
    select
        job_id,
        step,
        lag(step) over by_step as step_before,
        first_created_at < lag(first_created_at) over by_step as is_early
    from steps
    window by_step as (partition by job_id order by step)
),

distances as (
    select
        job_id,
        step_before is null as is_first,
        step - coalesce(step_before, 0) as distance,
        count(*) as times,
        min(step) as step,
        count(*) filter (where is_early) as early_steps,
        min(step) filter (where is_early) as first_early_step
    from neighbours
    group by all
),

strides as (
    select
        *,
        max(case when not is_first then {'times': times, 'distance': distance} end)
            over (partition by job_id) as stride
    from distances
),

gaps as (
    select
        *,
        (distance - 1) // stride.distance as missing
    from strides
),

counted as (
    select
        job_id,
        sum(times * missing) filter (where missing > 0)::bigint as missing_steps,
        min({'step': step, 'distance': distance}) filter (where missing > 0) as first_gap,
        sum(early_steps)::bigint as early_steps,
        min(first_early_step) as first_early_step
    from gaps
    group by job_id
)

select
    job_id,
    missing_steps,
    first_gap.step - first_gap.distance as after_step,
    first_gap.step as before_step,
    early_steps,
    first_early_step
from counted
;
