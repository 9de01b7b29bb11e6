-- Question: what is the first event of each group of streams and jobs without a name?
-- Grain:    one row per number
-- Reads:    pending, unnamed, grouped (job_id, number), lost (number, event_id, created_at, message),
--           is_unique
-- Caveat:   the first whose id is unique everywhere, where there is one: what joins streams names
--           them. Were others before it counted, a stream of these alone, which nothing joins,
--           would be of its job or not by which came first.
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
),

firsts as (
    select
        number,
        min({
            'is_repeatable': not is_unique(event_id),
            'created_at': created_at,
            'event_id': event_id,
            'message': message
        }) as told
    from numbered
    anti join lost using (number, event_id, created_at, message)
    group by number
)

select
    number,
    told.created_at,
    told.event_id,
    told.message
from firsts
