-- Question: which streams and jobs hold the same event?
-- Grain:    one row per pair (left_id, right_id); at least one of the two has no name yet
-- Reads:    pending (job_id is the stream's id), unnamed, fresh, held, mixed (job_id)
-- Caveat:   only globally unique ids tell. Azure writes a metrics event's time stamp twice as its
--           id (its digits 2 to 16 are its digits 17 to 31): two jobs can hold the same.
--           What may be of several jobs tells of none.
with nameless as (
    select distinct job_id, event_id from pending
    union
    select distinct job_id, event_id from unnamed
),

telling as (
    select *
    from nameless
    anti join mixed using (job_id)
    where
        regexp_full_match(event_id, 'ftevent-[A-Za-z0-9]{24}')
        or (
            regexp_full_match(event_id, 'ftevent-[0-9a-f]{32}')
            and event_id[10:24] <> event_id[25:39]
        )
)

select distinct telling.job_id as left_id, others.job_id as right_id
from telling
inner join (
    select job_id, event_id from pending
    union all
    select job_id, event_id from fresh
    union all
    select job_id, event_id from held
) as others
    on telling.event_id = others.event_id
anti join mixed on others.job_id = mixed.job_id
where telling.job_id <> others.job_id
order by all
