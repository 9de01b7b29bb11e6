-- Question: which identities do staged events have? (As hashes: equal ones may differ in truth.)
-- Grain:    one row per event
-- Reads:    fresh (view over the staged files)
select hash(job_id, event_id) as identity from fresh
