-- Why did each failed job fail, in which phase, and when?
--
-- Grain: job_id
-- Reads: stg_job_states, loss_curves, stg_problems, job_phases
-- Caveat: of the errors of a job, those that say more than that it failed come first, then those
--   after which it did not go on to another step, then those of events before that of the job
--   object, then those that name an error_code, and of several the last in time. The job object
--   fills what no event tells.
--   The phase is the last one entered before the end, which not all objects date; a dump without
--   the messages of phases tells none.
create or replace view failure_reasons as
with failed as (
    select
        job_id,
        dialect,
        ended_at,
        errors,
        error_code,
        error_param,
        coalesce(error_message, outcome_message) as message
    from stg_job_states
    where status = 'failed'
),

curves as (
    select
        job_id,
        max(step) as last_step,
        arg_max(total_steps, step) as total_steps,
        max(first_created_at) as last_step_at
    from loss_curves
    group by job_id
),

reasons as (
    select
        problems.job_id,
        max(
            {
                'tells_more': not regexp_full_match(
                    problems.message, '(the )?(fine-tuning )?job failed[.!]?', 'i'
                ),
                'is_last': coalesce(problems.created_at >= curves.last_step_at, true),
                'is_event': problems.event_id is not null,
                'has_code': problems.error_code is not null,
                'created_at': problems.created_at,
                'lifecycle_rank': problems.lifecycle_rank,
                'ordinal': problems.ordinal,
                'event_id': problems.event_id,
                'message': problems.message,
                'template': problems.template,
                'error_code': problems.error_code,
                'error_param': problems.error_param,
                'told_by': problems.told_by
            }
        ) as reason
    from stg_problems as problems
    left join curves on problems.job_id = curves.job_id
    where problems.severity in ('error', 'failure')
    group by problems.job_id
)

select
    failed.job_id,
    failed.dialect,
    failed.ended_at as failed_at,
    phases.phase,
    coalesce(reasons.reason.error_code, failed.error_code) as error_code,
    coalesce(reasons.reason.error_param, failed.error_param) as error_param,
    coalesce(reasons.reason.message, failed.message) as message,
    reasons.reason.template as template,
    reasons.reason.event_id as event_id,
    reasons.reason.told_by as told_by,
    failed.errors,
    curves.last_step,
    curves.total_steps
from failed
left join curves on failed.job_id = curves.job_id
left join reasons on failed.job_id = reasons.job_id
left join job_phases as phases
    on failed.job_id = phases.job_id and coalesce(phases.started_at <= failed.ended_at, true)
qualify
    row_number() over (
        partition by failed.job_id
        order by phases.ended_at desc, phases.started_at desc, phases.phase_rank desc
    ) = 1
;

comment on view failure_reasons is 'Why did each failed job fail, in which phase, and when?';
comment on column failure_reasons.job_id is 'fine-tuning job [id]';
comment on column failure_reasons.dialect is 'openai, azure or legacy [text]';
comment on column failure_reasons.failed_at is 'when it failed [UTC]';
comment on column failure_reasons.phase is
    'phase it died in, as in job_phases; NULL where no message tells one [text]';
comment on column failure_reasons.error_code is
    'error_code of the error, NULL where none names one [text]';
comment on column failure_reasons.error_param is
    'error_param of the error, NULL where it names none [text]';
comment on column failure_reasons.message is 'the text of the error [text]';
comment on column failure_reasons.template is
    'the kind of error, as in error_timeline: equal for jobs that failed alike [text]';
comment on column failure_reasons.event_id is
    'the event of the error, NULL where only a job object tells it [id]';
comment on column failure_reasons.told_by is
    'why it counts as an error: level, message, moderation, or object (the job''s) [text]';
comment on column failure_reasons.errors is 'errors of the job in all [event]';
comment on column failure_reasons.last_step is
    'greatest step with metrics, NULL where it never trained [step]';
comment on column failure_reasons.total_steps is
    'steps the job planned, NULL where never told [step]';
