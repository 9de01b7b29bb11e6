-- Why did each failed job fail, in which phase, and when?
--
-- Grain: job_id
-- Reads: stg_job_states, loss_curves, stg_problems, job_phases
-- Caveat: which error is the reason, reason_of tells (stg_job_states): none after which the job
--   went on. The job object fills what no event tells. The phase is the last one entered before the
--   end, which not all objects date; a dump without the messages of phases tells none.
create or replace view failure_reasons as
with failed as (
    select
        job_id,
        dialect,
        ended_at,
        errors,
        error_code,
        error_param,
        outcome_message
    from stg_job_states
    where status = 'failed'
),

curves as (
    select
        job_id,
        max(step) as last_step,
        arg_max(total_steps, step) as total_steps,
        max(first_created_at) as last_step_at,
        max(first_created_at, 4)[4] as went_on_at
    from loss_curves
    group by job_id
),

told as (
    select
        job_id,
        list({
            'is_event': event_id is not null,
            'has_code': error_code is not null,
            'created_at': created_at,
            'lifecycle_rank': lifecycle_rank,
            'order_step': order_step,
            'ordinal': ordinal,
            'event_id': event_id,
            'message': message,
            'template': template,
            'error_code': error_code,
            'error_param': error_param,
            'told_by': told_by
        }) as problems
    from stg_problems
    where severity in ('error', 'failure')
    group by job_id
),

-- no join before the grouping: a condition on the job would not reach what is joined
chosen as (
    select
        failed.*,
        curves.last_step,
        curves.total_steps,
        reason_of(
            told.problems, failed.ended_at, curves.last_step_at, curves.went_on_at
        ) as reason
    from failed
    left join curves on failed.job_id = curves.job_id
    left join told on failed.job_id = told.job_id
)

select
    chosen.job_id,
    chosen.dialect,
    phases.phase,
    coalesce(chosen.reason.error_code, chosen.error_code) as error_code,
    coalesce(chosen.reason.error_param, chosen.error_param) as error_param,
    coalesce(chosen.reason.message, chosen.outcome_message) as message,
    chosen.reason.template as template,
    chosen.ended_at as failed_at,
    chosen.reason.event_id as event_id,
    chosen.reason.told_by as told_by,
    chosen.errors,
    chosen.last_step,
    chosen.total_steps
from chosen
left join job_phases as phases
    on chosen.job_id = phases.job_id and coalesce(phases.started_at <= chosen.ended_at, true)
qualify
    row_number() over (
        partition by chosen.job_id
        order by phases.ended_at desc, phases.started_at desc, phases.phase_rank desc
    ) = 1
;

comment on view failure_reasons is 'Why did each failed job fail, in which phase, and when?';
comment on column failure_reasons.job_id is 'fine-tuning job [id]';
comment on column failure_reasons.dialect is 'openai, azure or legacy [text]';
comment on column failure_reasons.phase is
    'phase it died in, as in job_phases; NULL where no message tells one [text]';
comment on column failure_reasons.error_code is
    'error_code of the error, NULL where none names one [text]';
comment on column failure_reasons.error_param is
    'error_param of the error, NULL where it names none [text]';
comment on column failure_reasons.message is
    'the text of the error, NULL where nothing tells why [text]';
comment on column failure_reasons.template is
    'the kind of error, as in error_timeline: equal for jobs that failed alike [text]';
comment on column failure_reasons.failed_at is 'when it failed [UTC]';
comment on column failure_reasons.event_id is
    'the event of the error, NULL where only a job object tells it [id]';
comment on column failure_reasons.told_by is
    'why it counts as an error: level, message, moderation, or object (the job''s) [text]';
comment on column failure_reasons.errors is 'errors of the job in all [event]';
comment on column failure_reasons.last_step is
    'greatest step with metrics, NULL where it never trained [step]';
comment on column failure_reasons.total_steps is
    'steps the job planned, NULL where never told [step]';
