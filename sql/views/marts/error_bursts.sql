-- When did each kind of error or warning come in a burst, how many at once, from how many jobs?
--
-- Grain: severity, template, burst
-- Reads: stg_problems
-- Parameters: gap_seconds := 3600
-- Caveat: a burst goes on until its kind is silent for more than gap_seconds, whichever jobs it
--   comes from. As a view, that is an hour. A template is what stg_problems makes of a message.
create or replace macro error_bursts(gap_seconds := 3600) as table
with silences as (
    select
        *,
        epoch(created_at) - epoch(lag(created_at) over in_time) as silent_seconds
    from stg_problems
    where event_id is not null
    window
        in_time as (
            partition by severity, template
            order by created_at, lifecycle_rank, order_step, job_id, ordinal, event_id
        )
),

numbered as (
    select
        *,
        1 + count(*) filter (where silent_seconds > gap_seconds) over in_time as burst
    from silences
    window
        in_time as (
            partition by severity, template
            order by created_at, lifecycle_rank, order_step, job_id, ordinal, event_id
        )
)

select
    severity,
    template,
    burst,
    count(*) as events,
    count(distinct job_id) as jobs,
    min(created_at) as first_seen,
    epoch(max(created_at)) - epoch(min(created_at)) as seconds,
    max(created_at) as last_seen
from numbered
group by severity, template, burst
;

create or replace view error_bursts as
from error_bursts()
;

comment on view error_bursts is
    'When did each kind of error or warning come in a burst, how many at once, from how many jobs?';
comment on column error_bursts.severity is 'error or warning [text]';
comment on column error_bursts.template is 'the kind, as in error_timeline [text]';
comment on column error_bursts.burst is 'which burst of its kind, in order of time, from 1 [1]';
comment on column error_bursts.events is 'events of the burst [event]';
comment on column error_bursts.jobs is 'jobs with such an event in the burst [job]';
comment on column error_bursts.first_seen is 'when its first event happened [UTC]';
comment on column error_bursts.seconds is 'from the first to the last event [s]';
comment on column error_bursts.last_seen is 'when its last event happened [UTC]';
