-- Which attempt at its steps does each metrics event belong to?
--
-- Grain: job_id, event_id
-- Order: job_id, created_at, step, ordinal, event_id
-- Reads: stg_metrics, stg_restarts
-- Caveat: the first attempt starts with the job's first metrics, the others where stg_restarts has
--   them begin.
create or replace view stg_attempts as
select
    metrics.*,
    attempt_at(
        restarts.places,
        {
            'created_at': metrics.created_at,
            'step': metrics.step,
            'ordinal': metrics.ordinal,
            'event_id': metrics.event_id
        }
    ) as attempt,
    coalesce(restarts.began_by[attempt - 1], 'start') as began_by
from stg_metrics as metrics
left join stg_restarts as restarts on metrics.job_id = restarts.job_id
;
