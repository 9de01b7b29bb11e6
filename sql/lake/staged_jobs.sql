-- Question: how many events of each job does a staged file hold?
-- Grain:    one row per job
-- Reads:    staged (view over the file)
select
    job_id,
    count(*) as events
from staged
group by job_id
