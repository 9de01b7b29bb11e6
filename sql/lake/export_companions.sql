-- Question: what is told of jobs beside their events, in the order of the export?
-- Grain:    one row per (job_id, kind, content)
-- Reads:    lake_companions
select
    job_id,
    kind,
    content
from lake_companions
where $job_id is null or job_id = $job_id
order by job_id, kind, content
