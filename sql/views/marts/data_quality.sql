-- What is odd or missing in the events of each job?
--
-- Grain: job_id, problem, subject
-- Reads: lake_events, metrics, stg_step_gaps
-- Caveat: a finding is a hint, not a reject: every event in it was kept. missing_steps: fewer steps
--   than the job's own stride (its most common distance of steps, the greater of equals) leads one
--   to expect, before its greatest step, or, where it succeeded, before the last it planned; dumps
--   of the newest events miss the first ones. clock_back: a step first logged before the next
--   smaller one was (a restart logs known steps again and is none), or an event before its job's
--   creation message. mixed_jobs: the number of steps planned goes back to what it was before
--   another, most likely as events of several jobs stand mixed in one file.
create or replace view data_quality as
with odd_fields as (
    select
        job_id,
        event_id,
        unnest(list_concat(
            case
                when level not in ('info', 'warn', 'error')
                    then [{'problem': 'unknown_level', 'subject': level}]
            end,
            case
                when type not in ('message', 'metrics', 'moderation_checks')
                    then [{'problem': 'unknown_type', 'subject': type}]
            end,
            list_transform(misfits, lambda name: {'problem': 'misfit', 'subject': name})
        )) as odd
    from lake_events
    where
        level not in ('info', 'warn', 'error')
        or type not in ('message', 'metrics', 'moderation_checks')
        or misfits is not null
),

fields as (
    select
        job_id,
        odd.problem as problem,
        odd.subject as subject,
        count(*) as occurrences,
        min(event_id) as example
    from odd_fields
    group by all
),

non_finite as (
    select
        job_id,
        'non_finite' as problem,
        metric as subject,
        count(*) as occurrences,
        min(event_id) as example
    from metrics
    where not isfinite(value)
    group by job_id, metric
),

step_problems as (
    select
        job_id,
        unnest([
            {
                'problem': 'missing_steps',
                'occurrences': missing_steps,
                'example': coalesce(
                    printf('between %d and %d', after_step, before_step),
                    printf('after %d', after_step)
                )
            },
            {
                'problem': 'clock_back',
                'occurrences': early_steps,
                'example': printf('step %d', first_early_step)
            }
        ]) as odd
    from stg_step_gaps
),

odd_steps as (
    select
        job_id,
        odd.problem as problem,
        'step' as subject,
        odd.occurrences as occurrences,
        odd.example as example
    from step_problems
    where odd.occurrences > 0
),

creations as (
    select
        job_id,
        min(created_at) as created_at
    from lake_events
    where starts_with(message, 'Created fine-tun') or starts_with(message, 'Job enqueued')
    group by job_id
),

early_events as (
    select
        events.job_id,
        'clock_back' as problem,
        'creation' as subject,
        count(*) as occurrences,
        min(events.event_id) as example
    from lake_events as events
    inner join creations on events.job_id = creations.job_id
    where events.created_at < creations.created_at
    group by events.job_id
),

replanned as (
    select job_id
    from lake_events
    where total_steps is not null
    group by job_id
    having min(total_steps) <> max(total_steps)
),

plans as (
    select
        events.job_id,
        events.event_id,
        events.total_steps <> lag(events.total_steps) over in_time as is_new,
        row_number() over (
            partition by events.job_id, events.total_steps
            order by events.created_at, events.step, events.ordinal, events.event_id
        ) > 1 as is_known
    from lake_events as events
    inner join replanned on events.job_id = replanned.job_id
    where events.total_steps is not null
    window
        in_time as (
            partition by events.job_id
            order by events.created_at, events.step, events.ordinal, events.event_id
        )
),

mixed_plans as (
    select
        job_id,
        'mixed_jobs' as problem,
        'total_steps' as subject,
        count(*) as occurrences,
        min(event_id) as example
    from plans
    where is_new and is_known
    group by job_id
)

from fields
union all
from non_finite
union all
from odd_steps
union all
from early_events
union all
from mixed_plans
;

comment on view data_quality is 'What is odd or missing in the events of each job?';
comment on column data_quality.job_id is 'fine-tuning job [id]';
comment on column data_quality.problem is
    'missing_steps, clock_back, mixed_jobs, unknown_level, unknown_type, non_finite, misfit [text]';
comment on column data_quality.subject is
    'the level, the type, the metric, or what the clock or the gap concerns [text]';
comment on column data_quality.occurrences is 'how many events, values or steps it concerns [1]';
comment on column data_quality.example is 'one of them: an event id, a step or a gap [text]';
