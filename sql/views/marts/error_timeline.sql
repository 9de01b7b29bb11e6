-- Which kinds of errors and warnings occur, how often, in how many jobs, and since when?
--
-- Grain: severity, template
-- Reads: stg_problems, error_bursts, lake_events, lake_companions
-- Caveat: kinds are told apart by template: the message with quoted text, model names, ids, paths
--   and numbers masked by their shape (stg_problems). A burst goes on until its kind is silent for
--   more than an hour (error_bursts). Shares are of all events and jobs in the lake.
create or replace view error_timeline as
with lake as (
    select
        count(*) filter (where is_event) as events,
        count(distinct job_id) as jobs
    from (
        select
            job_id,
            true as is_event
        from lake_events

        union all

        select
            job_id,
            false as is_event
        from lake_companions
    )
),

bursts as (
    select
        severity,
        template,
        count(*) as bursts,
        max(events) as largest_burst
    from error_bursts
    group by severity, template
),

kinds as (
    select
        severity,
        template,
        count(*) as events,
        count(distinct job_id) as jobs,
        min(created_at) as first_seen,
        max(created_at) as last_seen,
        arg_min(
            {'message': message, 'job_id': job_id},
            {
                'a': created_at,
                'b': lifecycle_rank,
                'c': order_step,
                'd': job_id,
                'e': ordinal,
                'f': event_id
            }
        ) as example
    from stg_problems
    where event_id is not null
    group by severity, template
)

select
    kinds.severity,
    kinds.template,
    kinds.events,
    kinds.jobs,
    kinds.first_seen,
    kinds.last_seen,
    kinds.example.message as example,
    kinds.example.job_id as example_job_id,
    1000::double * kinds.events / lake.events as per_1000_events,
    100::double * kinds.jobs / lake.jobs as jobs_share,
    bursts.bursts,
    bursts.largest_burst
from kinds
inner join bursts on kinds.severity = bursts.severity and kinds.template = bursts.template
cross join lake
;

comment on view error_timeline is
    'Which kinds of errors and warnings occur, how often, in how many jobs, and since when?';
comment on column error_timeline.severity is 'error or warning [text]';
comment on column error_timeline.template is
    'the message with everything that varies masked: <text>, <model>, <id>, <path>, <n> [text]';
comment on column error_timeline.events is 'events with this template [event]';
comment on column error_timeline.jobs is 'jobs with such an event [job]';
comment on column error_timeline.first_seen is 'when the first of them happened [UTC]';
comment on column error_timeline.last_seen is 'when the last of them happened [UTC]';
comment on column error_timeline.example is 'the message of the first of them [text]';
comment on column error_timeline.example_job_id is 'the job of the first of them [id]';
comment on column error_timeline.per_1000_events is
    'events with this template in 1,000 events of the lake [1]';
comment on column error_timeline.jobs_share is 'jobs with such an event, of all jobs [%]';
comment on column error_timeline.bursts is
    'bursts they came in, an hour of silence between them [burst]';
comment on column error_timeline.largest_burst is 'events of the largest burst [event]';
