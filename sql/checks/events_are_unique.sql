-- An event is in the lake once: no two rows share job and event id.
select
    job_id,
    event_id,
    count(*) as copies
from lake_events
group by job_id, event_id
having count(*) > 1
;
