-- Which steps does the dump of each job lack, and which were logged too early?
--
-- Grain: job_id
-- Reads: stg_metrics, stg_events, stg_job_objects, stg_outcomes
-- Caveat: missing steps are judged by the job's own stride, its most common distance of steps, the
--   greater of equals, up to its greatest step, or, where it succeeded, up to the last one it
--   planned: before_step is NULL where all before its greatest are there. How it ended a message
--   tells, else a job object or a webhook. A step is early that was first logged before the next
--   smaller one was; a restart logs known steps again and is none.
create or replace view stg_step_gaps as
with steps as (
    select
        job_id,
        step,
        min(created_at) as first_created_at,
        max(total_steps) as total_steps,
        bool_or(coalesce(train_loss, train_mean_token_accuracy, train_mean_reward) is not null)
            as is_trained
    from stg_metrics
    group by job_id, step
),

plans as (
    select
        job_id,
        max(step) as last_step,
        -- counted from 0, the last of n steps is n - 1; an evaluation before training is no step
        arg_max(total_steps, step)
        - coalesce(min(step) filter (where is_trained) = 0, false)::bigint as planned
    from steps
    group by job_id
),

endings as (
    select
        job_id,
        arg_max(
            lifecycle,
            {
                'created_at': created_at,
                'lifecycle_rank': lifecycle_rank,
                'order_step': order_step,
                'ordinal': ordinal,
                'event_id': event_id
            }
        ) as ended_by
    from stg_events
    where lifecycle in ('succeeded', 'failed', 'cancelled')
    group by job_id
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
        any_value(stride.distance) as stride,
        sum(times * missing) filter (where missing > 0)::bigint as missing_steps,
        min({'step': step, 'distance': distance}) filter (where missing > 0) as first_gap,
        sum(early_steps)::bigint as early_steps,
        min(first_early_step) as first_early_step
    from gaps
    group by job_id
)

select
    counted.job_id,
    case
        when plans.planned > plans.last_step
            and coalesce(
                endings.ended_by = 'succeeded',
                objects.status = 'succeeded' or outcomes.status = 'succeeded'
            )
            then nullif((plans.planned - plans.last_step) // counted.stride, 0)
    end as missing_at_end,
    nullif(coalesce(counted.missing_steps, 0) + coalesce(missing_at_end, 0), 0) as missing_steps,
    coalesce(
        first_gap.step - first_gap.distance,
        case when missing_at_end is not null then plans.last_step end
    ) as after_step,
    first_gap.step as before_step,
    counted.early_steps,
    counted.first_early_step
from counted
inner join plans on counted.job_id = plans.job_id
left join endings on counted.job_id = endings.job_id
left join stg_job_objects as objects on counted.job_id = objects.job_id
left join stg_outcomes as outcomes on counted.job_id = outcomes.job_id
;
