-- How do two jobs go side by side, step by step and by share of training?
--
-- Grain: axis, metric, position
-- Reads: loss_curves, loss_curves_smoothed, stg_methods, stg_steps, lake_events
-- Parameters: job_a, job_b
-- Caveat: on the axis `step` the values of the step itself; on the axis `share`, for each percent
--   of a job's training, the last values up to there, so that runs of other lengths compare. A
--   job's training is as long as it plans, else as its last step. As a view, b is the job with the
--   latest event and a the one before it of the same method, of those that told of a step: is this
--   run worse than the last?
--   A metric with less than a third of the points of the job's densest is not smoothed: an average
--   of a few evaluations lags behind all of them.
create or replace macro compare_of(curves, job_a, job_b) as table
with sides as (
    select
        'a' as side,
        job_a as job_id

    union all

    select
        'b' as side,
        job_b as job_id
),

counted as (
    select
        sides.side,
        curves.job_id,
        curves.metric,
        curves.step,
        curves.value,
        curves.smoothed,
        count(*) over (partition by sides.side, curves.metric) as points
    from smoothed_of(curves, 0.6) as curves
    inner join sides on curves.job_id = sides.job_id
),

points as (
    select
        side,
        job_id,
        metric,
        step,
        value,
        if(3 * points < max(points) over (partition by side), value, smoothed) as smoothed
    from counted
),

lengths as (
    select
        job_id,
        greatest(max(step), arg_max(total_steps, step)) as steps,
        max(step) as last_step
    from query_table(curves)
    group by job_id
),

percents as (
    select
        points.side,
        points.metric,
        percent.generate_series as position,
        max({'step': points.step, 'value': points.value, 'smoothed': points.smoothed}) as latest
    from points
    inner join lengths on points.job_id = lengths.job_id
    inner join generate_series(1, 100) as percent
        on
            points.step * 100 <= percent.generate_series * lengths.steps
            and (percent.generate_series - 1) * lengths.steps < lengths.last_step * 100
    group by points.side, points.metric, percent.generate_series
),

positions as (
    select
        side,
        'step' as axis,
        metric,
        step as position,
        step,
        value,
        smoothed
    from points

    union all

    select
        side,
        'share' as axis,
        metric,
        position,
        latest.step as step,
        latest.value as value,
        latest.smoothed as smoothed
    from percents
),

pairs as (
    select
        axis,
        metric,
        position,
        max(job_a) as job_a,
        max(job_b) as job_b,
        max(step) filter (where side = 'a') as step_a,
        max(step) filter (where side = 'b') as step_b,
        any_value(value) filter (where side = 'a') as value_a,
        any_value(value) filter (where side = 'b') as value_b,
        any_value(smoothed) filter (where side = 'a') as smoothed_a,
        any_value(smoothed) filter (where side = 'b') as smoothed_b
    from positions
    group by axis, metric, position
)

select
    *,
    case
        when abs(smoothed_b - smoothed_a) <= 1e-9 * abs(smoothed_a) then 0
        else smoothed_b - smoothed_a
    end as difference
from pairs
;

-- each by its own id: of two the engine would look for one table's rows alone
create or replace macro compare(job_a, job_b) as table
with chosen as materialized (
    from loss_curves
    where job_id = job_a

    union all

    from loss_curves
    where job_id = job_b and job_a is distinct from job_b
)

from compare_of('chosen', job_a, job_b)
;

create or replace view compare as
with latest as (
    select
        events.job_id,
        methods.method,
        max(events.created_at) as last_event_at
    from lake_events as events
    inner join stg_methods as methods on events.job_id = methods.job_id
    where events.job_id in (select steps.job_id from stg_steps as steps)
    group by events.job_id, methods.method
),

ranked as (
    select
        job_id,
        method,
        row_number() over (order by last_event_at desc, job_id desc) as recency,
        row_number() over (partition by method order by last_event_at desc, job_id desc)
            as recency_of_method
    from latest
),

pairs as (
    select
        max(job_id) filter (where recency = 1) as job_b,
        max(job_id) filter (where recency_of_method = 2 and method = latest_method)
            as job_a
    from ranked
    cross join (select method as latest_method from ranked where recency = 1)
),

chosen as materialized (
    from loss_curves
    where job_id in (select unnest([job_a, job_b]) from pairs)
)

from compare_of('chosen', (select job_a from pairs), (select job_b from pairs))
;

comment on view compare is
    'How do two jobs go side by side, step by step and by share of training?';
comment on column compare.axis is 'step or share: what position counts [text]';
comment on column compare.metric is
    'train_loss, valid_loss, full_valid_loss, or one of the mean rewards of that kind [text]';
comment on column compare.position is
    'training step, or percent of the job''s training [step or %]';
comment on column compare.job_a is 'the first job [id]';
comment on column compare.job_b is 'the second job [id]';
comment on column compare.step_a is 'step of the first job the values are of [step]';
comment on column compare.step_b is 'step of the second job the values are of [step]';
comment on column compare.value_a is 'the metric of the first job [1]';
comment on column compare.value_b is 'the metric of the second job [1]';
comment on column compare.smoothed_a is
    'the same, as loss_curves_smoothed has it; the value itself of a sparse metric [1]';
comment on column compare.smoothed_b is 'the same of the second job [1]';
comment on column compare.difference is
    'smoothed value of the second minus the first, 0 where equal to nine digits [1]';
