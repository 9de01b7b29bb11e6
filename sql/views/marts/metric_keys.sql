-- Which metric keys were ever seen, how often, in how many jobs, and since when?
--
-- Grain: metric
-- Reads: lake_events, metrics
-- Caveat: keys of numbers, and known metrics whose value was no number (misfits). Texts and flags
--   of a payload are no metrics. Step and total_steps are counters and not listed.
create or replace view metric_keys as
with seen as (
    select
        job_id,
        metric,
        created_at,
        known,
        from_message,
        false as is_misfit,
        not isfinite(value) as is_non_finite
    from metrics

    union all

    select
        job_id,
        unnest(misfits) as metric,
        created_at,
        true as known,
        false as from_message,
        true as is_misfit,
        false as is_non_finite
    from lake_events
    where misfits is not null
)

select
    metric,
    case
        when bool_and(is_misfit) then 'other'
        when bool_or(is_misfit) then 'mixed'
        else 'number'
    end as type,
    bool_or(known) as known,
    count(*) filter (where not is_misfit) as numbers,
    count(*) filter (where is_non_finite) as non_finite,
    count(*) filter (where is_misfit) as misfits,
    count(*) filter (where from_message) as from_messages,
    count(distinct job_id) as jobs,
    min(created_at) as first_seen,
    max(created_at) as last_seen
from seen
where metric not in ('step', 'total_steps')
group by metric
;

comment on view metric_keys is
    'Which metric keys were ever seen, how often, in how many jobs, and since when?';
comment on column metric_keys.metric is
    'name of the metric, or path of the number in the payload; in a part ~1 is a slash [text]';
comment on column metric_keys.type is
    'number; mixed where some values were no number; other where none was [text]';
comment on column metric_keys.known is
    'true for a metric of the API that has its own column [bool]';
comment on column metric_keys.numbers is 'events that gave it a number [event]';
comment on column metric_keys.non_finite is 'of these, NaN or infinite [event]';
comment on column metric_keys.misfits is 'events that gave it something else [event]';
comment on column metric_keys.from_messages is 'of the numbers, those read from messages [event]';
comment on column metric_keys.jobs is 'jobs that have the key [job]';
comment on column metric_keys.first_seen is 'earliest event with the key [UTC]';
comment on column metric_keys.last_seen is 'latest event with the key [UTC]';
