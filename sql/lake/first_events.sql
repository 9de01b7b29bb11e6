-- Question: what is the first event of each stream or job without a name?
-- Grain:    one row per job_id
-- Reads:    pending, unnamed
with nameless as (
    select job_id, created_at, event_id, message from pending
    union all
    select job_id, created_at, event_id, message from unnamed
)

select
    job_id,
    min(epoch(created_at)::bigint) as created_at,
    arg_min(event_id, (created_at, event_id, message)) as event_id,
    arg_min(message, (created_at, event_id, message)) as message
from nameless
group by job_id
