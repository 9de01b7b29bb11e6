-- Question: from which run is each event, in the order of compacted.sql?
-- Grain:    one row per event
-- Reads:    run_keys
select run
from run_keys
order by job_id, created_at, step, ordinal, event_id
