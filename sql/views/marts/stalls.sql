-- Where did a job stand still, in the midst of its steps or at the end of the dump?
--
-- Grain: job_id, after_step_at
-- Reads: stg_events, stg_milestones, lake_events, thresholds
-- Caveat: by the times between neighbouring steps of the job, against their median. A job that no
--   message ends and whose training is not complete is silent when the last event of the whole
--   lake is that much later than its own; silent for very long means that it was dumped no more.
--   Azure's step times are synthetic: its jobs have no rows. The clock of this machine is not
--   asked.
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

clock as (
    select max(created_at) as last_event_at
    from lake_events
),

steps as (
    select
        job_id,
        created_at,
        order_step,
        ordinal,
        event_id,
        coalesce(
            total_steps,
            try_cast(regexp_extract(message, '^Step [0-9]+/([0-9]+)', 1) as bigint)
        ) as total_steps,
        lead(created_at) over in_time as next_at,
        lead(order_step) over in_time as next_step,
        epoch(next_at) - epoch(created_at) as seconds
    from stg_events
    where lifecycle = 'step' and not synthetic_time
    window in_time as (partition by job_id order by created_at, order_step, ordinal, event_id)
),

usual as (
    select
        *,
        median(seconds) over (partition by job_id) as usual_seconds,
        count(seconds) over (partition by job_id) as gaps,
        max(total_steps) over (partition by job_id) as planned
    from steps
),

ends as (
    select
        job_id,
        max(created_at) as last_message_at,
        bool_or(
            outcome in ('succeeded', 'failed', 'cancelled', 'error', 'blocked')
            or phase = 'finalising'
        ) as is_ended
    from stg_milestones
    group by job_id
),

silences as (
    select
        usual.*,
        clock.last_event_at,
        ends.last_message_at,
        usual.next_at is null as is_last,
        case
            when usual.next_at is not null then usual.seconds
            when
                not coalesce(ends.is_ended, false)
                and coalesce(usual.order_step < usual.planned, true)
                then epoch(clock.last_event_at)
                    - epoch(greatest(usual.created_at, ends.last_message_at))
        end as stood_seconds
    from usual
    cross join clock
    left join ends on usual.job_id = ends.job_id
)

select
    silences.job_id,
    case when silences.is_last then 'silent' else 'gap' end as kind,
    silences.order_step as after_step,
    silences.next_step,
    silences.created_at as after_step_at,
    coalesce(silences.next_at, silences.last_event_at) as until,
    silences.stood_seconds as seconds,
    silences.usual_seconds,
    greatest(limits.ratio * silences.usual_seconds, limits.least_seconds) as threshold
from silences
cross join limits
where
    silences.gaps >= limits.least_gaps
    and silences.stood_seconds
        > greatest(limits.ratio * silences.usual_seconds, limits.least_seconds)
    and (not silences.is_last or silences.stood_seconds < limits.abandoned_seconds)
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
    'when the next step was logged, or the last event of the lake where silent [UTC]';
comment on column stalls.seconds is
    'how long it stood still; where silent, since its last event [s]';
comment on column stalls.usual_seconds is 'median time between neighbouring steps of the job [s]';
comment on column stalls.threshold is 'seconds above which it counts [s]';
