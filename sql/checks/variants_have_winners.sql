-- Every variant is kept once, beside an event of the same identity.
select
    variants.job_id,
    variants.event_id,
    variants.content_hash,
    count(*) as copies
from lake_variants as variants
left join lake_events as events
    on variants.job_id = events.job_id and variants.event_id = events.event_id
group by variants.job_id, variants.event_id, variants.content_hash
having count(*) > 1 or count(events.event_id) = 0
;
