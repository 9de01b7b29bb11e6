-- Where did training fall back and start over, and how far did each attempt come?
--
-- Grain: job_id, attempt
-- Reads: stg_metrics, stg_restarts
-- Caveat: told by the steps alone: an attempt begins where, in order of time, the step falls or a
--   metric is given again for a step that has it; metrics of validation alone begin none. A restart
--   that goes on at the next step leaves no trace. Events of one second are taken in the order of
--   their steps, so ties begin nothing.
create or replace view attempts as
with told as (
    select
        metrics.job_id,
        metrics.step,
        metrics.created_at,
        attempt_at(
            restarts.places, metrics.created_at, metrics.step, metrics.ordinal, metrics.event_id
        ) as attempt,
        coalesce(restarts.began_by[attempt - 1], 'start') as began_by
    from stg_metrics as metrics
    left join stg_restarts as restarts on metrics.job_id = restarts.job_id
),

spans as (
    select
        job_id,
        attempt,
        any_value(began_by) as began_by,
        min(created_at) as started_at,
        max(created_at) as ended_at,
        min(step) as first_step,
        max(step) as last_step,
        count(distinct step) as steps,
        count(*) as events
    from told
    group by job_id, attempt
)

select
    job_id,
    attempt,
    began_by,
    started_at,
    ended_at,
    first_step,
    last_step,
    lag(last_step) over in_order as after_step,
    greatest(after_step - first_step + 1, 0) as steps_lost,
    steps,
    events,
    lead(attempt) over in_order is null as is_last
from spans
window in_order as (partition by job_id order by attempt)
;

comment on view attempts is
    'Where did training fall back and start over, and how far did each attempt come?';
comment on column attempts.job_id is 'fine-tuning job [id]';
comment on column attempts.attempt is 'number of the attempt in its job, from 1 [1]';
comment on column attempts.began_by is
    'start (the first), fall (to a smaller step) or repeat (a metric given again) [text]';
comment on column attempts.started_at is 'first metrics event of the attempt [UTC]';
comment on column attempts.ended_at is 'last metrics event of the attempt [UTC]';
comment on column attempts.first_step is 'step it began with [step]';
comment on column attempts.last_step is 'greatest step it reached [step]';
comment on column attempts.after_step is
    'greatest step of the attempt before, NULL for the first [step]';
comment on column attempts.steps_lost is
    'steps of the attempt before that it lost: from its own first to that one''s last [step]';
comment on column attempts.steps is 'different steps with metrics in it [step]';
comment on column attempts.events is 'metrics events in it [event]';
comment on column attempts.is_last is 'true for the last attempt of the job [bool]';
