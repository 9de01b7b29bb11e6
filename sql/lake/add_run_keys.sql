-- Question: by what does a run of events take its turns?
-- Grain:    one row per event
-- Reads:    merging
insert into run_keys
select ?, job_id, created_at, step, ordinal, event_id
from merging
