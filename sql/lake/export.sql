-- Question: what are the original events, in an order that tells each its job again?
-- Grain:    one row per event
-- Reads:    events
select
    job_id,
    event_id,
    epoch(created_at)::bigint as created_at,
    level,
    type,
    message,
    object,
    data,
    extra
from events
where $job_id is null or job_id = $job_id
order by job_id, created_at, lifecycle_rank, order_step, ordinal, event_id
