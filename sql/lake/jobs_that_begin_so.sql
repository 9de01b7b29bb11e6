-- Question: which jobs have an id that begins with some text?
-- Grain:    one row per job
-- Reads:    lake_events, lake_companions
select job_id from lake_events where starts_with(job_id, $1)
union
select job_id from lake_companions where starts_with(job_id, $1)
