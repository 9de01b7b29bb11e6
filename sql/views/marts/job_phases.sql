-- How long was each job in each phase: created, validating, queued, running, finalising?
--
-- Grain: job_id, phase
-- Order: job_id, started_at, phase_rank
-- Reads: stg_events, stg_milestones
-- Caveat: a phase lasts from its first message to the first message of another, so a dump without
--   those messages has no phases. Where the message that training began is lacking, running begins
--   with the first step, as jobs.started_at has it. A phase entered twice (a restart) has its times
--   added up: seconds can be less than ended_at - started_at. An Azure job that was started is
--   queued until its training starts, where a message tells that. Azure's finalising begins with
--   `Job succeeded.`; of a job that failed or was cancelled the bill begins none. The times of
--   Azure's steps are synthetic and not used.
create or replace view job_phases as
with jobs as (
    select
        job_id,
        max(created_at) filter (where not synthetic_time) as last_event_at,
        min({'at': created_at, 'step': order_step})
            filter (where lifecycle = 'step' and not synthetic_time) as first_step,
        bool_or(lifecycle in ('created', 'validating', 'queued', 'waiting')) as is_from_start,
        bool_or(lifecycle in ('started', 'training')) as is_start_told
    from stg_events
    group by job_id
),

milestones as (
    select
        job_id,
        created_at,
        lifecycle_rank,
        order_step,
        ordinal,
        event_id,
        phase,
        outcome
    from stg_milestones
    where phase is not null or outcome in ('succeeded', 'failed', 'cancelled')

    union all by name

    select
        job_id,
        first_step_begins(first_step, is_from_start) as created_at,
        8 as lifecycle_rank, -- of a step
        'running' as phase
    from jobs
    where not is_start_told and created_at is not null
),

marks as (
    select
        job_id,
        created_at,
        coalesce(phase, 'ended') as phase,
        lead(created_at) over in_time as next_mark_at,
        last_value(
            case when phase is distinct from 'finalising' then coalesce(outcome, '') end
            ignore nulls
        ) over before as ended_by
    from milestones
    window
        in_time as (
            partition by job_id
            order by created_at, lifecycle_rank, order_step, ordinal, event_id
        ),
        before as (
            partition by job_id
            order by created_at, lifecycle_rank, order_step, ordinal, event_id
            rows between unbounded preceding and 1 preceding
        )
),

stays as (
    select
        marks.job_id,
        marks.phase,
        marks.created_at as entered_at,
        coalesce(marks.next_mark_at, jobs.last_event_at) as left_at,
        marks.next_mark_at is null as is_last
    from marks
    inner join jobs on marks.job_id = jobs.job_id
    where
        marks.phase <> 'ended'
        and (
            marks.phase <> 'finalising'
            or coalesce(marks.ended_by, '') not in ('failed', 'cancelled')
        )
)

select
    job_id,
    phase,
    list_position(['created', 'validating', 'queued', 'running', 'finalising'], phase)
        as phase_rank,
    min(entered_at) as started_at,
    max(left_at) as ended_at,
    sum(epoch(left_at) - epoch(entered_at)) as seconds,
    bool_or(is_last) as is_last
from stays
group by job_id, phase
;

comment on view job_phases is
    'How long was each job in each phase: created, validating, queued, running, finalising?';
comment on column job_phases.job_id is 'fine-tuning job [id]';
comment on column job_phases.phase is
    'created, validating, queued, running or finalising [text]';
comment on column job_phases.phase_rank is 'place of the phase in a job''s life, from 1 [1]';
comment on column job_phases.started_at is 'when the job first entered the phase [UTC]';
comment on column job_phases.ended_at is
    'when the job last left it, or its last event while it is in it [UTC]';
comment on column job_phases.seconds is 'time spent in the phase, all stays together [s]';
comment on column job_phases.is_last is
    'true where no other phase and no outcome follows in the dump [bool]';
