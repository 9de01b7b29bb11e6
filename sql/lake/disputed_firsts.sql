-- Question: which first events have several times or messages, and all of which contents?
-- Grain:    one row per content of such an event in its group
-- Reads:    pending, unnamed, grouped (job_id, number), first_events,
--           lost (number, event_id, created_at, message)
-- Caveat:   what settles identities may find more contents, of other data; they have one name.
with nameless as (
    select job_id, event_id, created_at, level, type, message, object, data, extra from pending
    union all
    select job_id, event_id, created_at, level, type, message, object, data, extra from unnamed
),

candidates as (
    select grouped.job_id, first_events.event_id, first_events.number
    from first_events
    inner join grouped using (number)
),

several as (
    select candidates.number
    from nameless
    inner join candidates using (job_id, event_id)
    group by candidates.number
    having count(distinct (nameless.created_at, nameless.message)) > 1
),

contents as (
    select distinct
        candidates.number,
        nameless.event_id,
        epoch(nameless.created_at)::bigint as created_at,
        nameless.level,
        nameless.type,
        nameless.message,
        nameless.object,
        nameless.data,
        nameless.extra
    from nameless
    inner join candidates using (job_id, event_id)
    semi join several on candidates.number = several.number
)

select contents.*
from contents
anti join lost using (number, event_id, created_at, message)
