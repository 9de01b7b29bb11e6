-- Question: which streams and jobs hold the same event?
-- Grain:    one row per pair (left_id, right_id); at least one of the two has no name yet
-- Reads:    pending (job_id is the stream's id), unnamed, fresh, held, mixed (job_id), is_unique
-- Caveat:   what may be of several jobs tells of none.
with nameless as (
    select distinct job_id, event_id from pending
    union
    select distinct job_id, event_id from unnamed
),

telling as (
    select *
    from nameless
    anti join mixed using (job_id)
    where is_unique(event_id)
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
