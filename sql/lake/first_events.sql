-- Question: what is the first event of each group of streams and jobs without a name?
-- Grain:    one row per number
-- Reads:    pending, unnamed, grouped (job_id, number), lost (number, event_id, created_at, message)
create or replace temp table first_events as
with nameless as (
    select job_id, created_at, event_id, message from pending
    union all
    select job_id, created_at, event_id, message from unnamed
),

numbered as (
    select
        grouped.number,
        epoch(nameless.created_at)::bigint as created_at,
        nameless.event_id,
        nameless.message
    from nameless
    inner join grouped using (job_id)
)

select
    number,
    min(created_at) as created_at,
    arg_min(event_id, (created_at, event_id, message)) as event_id,
    arg_min(message, (created_at, event_id, message)) as message
from numbered
anti join lost using (number, event_id, created_at, message)
group by number
