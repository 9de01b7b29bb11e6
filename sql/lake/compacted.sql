-- Question: what do several segments of events hold, so sorted that one job lies together?
-- Grain:    one row per event
-- Reads:    merging
select *
from merging
order by job_id, created_at, step, ordinal, event_id
