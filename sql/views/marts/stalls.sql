-- Where did a job stand still, in the midst of its steps or at the end of the dump?
--
-- Grain: job_id, after_step_at
-- Reads: stg_step_times, stg_milestones, stg_job_objects, stg_outcomes, stg_dumps, stg_last_event,
--   thresholds
-- Caveat: by the times between neighbouring steps of the job, against their median, less the usual
--   time of steps in between that the dump lacks. A job whose training is not complete, and that no
--   message after its last step, job object or webhook ends (or, an object, pauses), is silent when
--   the last event of its last dump (stg_dumps) is that much later than its own; silent for very
--   long means that it was dumped no more. Azure's step times are synthetic: its jobs have no rows.
--   The clock of this machine is not asked.
create or replace view stalls as
with limits as (
    select
        max(value) filter (where threshold = 'least_gaps') as least_gaps,
        max(value) filter (where threshold = 'ratio') as ratio,
        max(value) filter (where threshold = 'least_seconds') as least_seconds,
        max(value) filter (where threshold = 'abandoned_seconds') as abandoned_seconds
    from thresholds
    where detector = 'stalls'
),

told as (
    select
        job_id,
        last_told_at,
        list_filter(told, lambda one: not one.is_synthetic) as told
    from stg_step_times
),

begun as (
    select
        job_id,
        last_told_at,
        first_events(told) as marks
    from told
),

steps as (
    select
        job_id,
        last_told_at,
        list_filter(marks, lambda one: one.total_steps is not null)[-1].total_steps
        -- counted from 0, the last of n steps is n - 1
        - list_contains(list_transform(marks, lambda one: one.step), 0)::bigint as planned,
        list_transform(marks, lambda one, place: {
            'created_at': one.created_at,
            'order_step': one.step,
            'next_at': marks[place + 1].created_at,
            'next_step': marks[place + 1].step,
            'seconds': case
                when marks[place + 1].step <> one.step
                    then epoch(marks[place + 1].created_at) - epoch(one.created_at)
            end,
            'distance': nullif(greatest(marks[place + 1].step - one.step, 0), 0)
        }) as steps
    from begun
),

jobs as (
    select
        steps.job_id,
        steps.last_told_at,
        steps.planned,
        list_median([one.seconds for one in steps.steps]) as usual_seconds,
        list_median([one.distance for one in steps.steps]) as usual_distance,
        list_count([one.seconds for one in steps.steps]) as gaps,
        list_filter(
            steps.steps,
            lambda one: one.next_at is null or one.seconds > limits.least_seconds
        ) as long
    from steps
    cross join limits
),

ends as (
    select
        job_id,
        max(created_at) as last_message_at,
        max(place) filter (where outcome in ('succeeded', 'failed', 'cancelled')) as told_at,
        max(place) filter (where phase in ('created', 'validating', 'queued', 'running'))
            as begun_at,
        coalesce(told_at > begun_at, told_at is not null) as is_told,
        max(created_at) filter (where outcome in ('error', 'blocked') or phase = 'finalising')
            as broken_at
    from stg_milestones
    group by job_id
),

-- of a job that is over, or paused, without an event that says so
ends_beside as (
    select
        job_id,
        max(ended_at) as ended_at
    from (
        select
            job_id,
            coalesce(ended_at, 'infinity'::timestamptz) as ended_at
        from stg_outcomes

        union all

        select
            job_id,
            'infinity'::timestamptz as ended_at
        from stg_job_objects
        where status in ('succeeded', 'failed', 'cancelled', 'pausing', 'paused')
    )
    group by job_id
),

silences as (
    select
        jobs.*,
        coalesce(dumps.ended_at, last_event.created_at) as last_event_at,
        ends.last_message_at,
        ends.is_told,
        greatest(ends.broken_at, ends_beside.ended_at) as ended_at,
        unnest(jobs.long) as step
    from jobs
    cross join stg_last_event as last_event
    left join stg_dumps as dumps on jobs.job_id = dumps.job_id
    left join ends on jobs.job_id = ends.job_id
    left join ends_beside on jobs.job_id = ends_beside.job_id
),

stood as (
    select
        *,
        step.next_at is null as is_last,
        case
            when not is_last
                then
                    step.seconds
                    - usual_seconds
                    * greatest(coalesce(step.distance / usual_distance, 1) - 1, 0)
            when
                not coalesce(is_told, false)
                and coalesce(ended_at < step.created_at, true)
                and coalesce(step.order_step < planned, true)
                then
                    epoch(last_event_at)
                    - epoch(greatest(step.created_at, last_told_at, last_message_at))
        end as seconds
    from silences
)

select
    stood.job_id,
    case when stood.is_last then 'silent' else 'gap' end as kind,
    stood.step.order_step as after_step,
    stood.step.next_step,
    stood.step.created_at as after_step_at,
    coalesce(stood.step.next_at, stood.last_event_at) as until,
    stood.seconds,
    stood.usual_seconds,
    greatest(limits.ratio * stood.usual_seconds, limits.least_seconds) as threshold
from stood
cross join limits
where
    stood.gaps >= limits.least_gaps
    and stood.seconds > greatest(limits.ratio * stood.usual_seconds, limits.least_seconds)
    and (not stood.is_last or stood.seconds < limits.abandoned_seconds)
;

comment on view stalls is
    'Where did a job stand still, in the midst of its steps or at the end of the dump?';
comment on column stalls.job_id is 'fine-tuning job [id]';
comment on column stalls.kind is
    'gap (between two steps) or silent (from the last step to the end of the dump) [text]';
comment on column stalls.after_step is 'step before it [step]';
comment on column stalls.next_step is 'step after it, NULL where silent [step]';
comment on column stalls.after_step_at is 'when the step before it was logged [UTC]';
comment on column stalls.until is
    'when the next step was logged, or the last event of the dump where silent [UTC]';
comment on column stalls.seconds is
    'how long it stood still, less the time of steps not dumped; silent: since its last event [s]';
comment on column stalls.usual_seconds is 'median time between neighbouring steps of the job [s]';
comment on column stalls.threshold is 'seconds above which it counts [s]';
