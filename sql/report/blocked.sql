-- Which models of the jobs of `report_jobs` a usage policy check blocked; all where none is named.
--
-- Reads: moderation
select distinct
    job_id,
    model_id
from moderation
where blocked and list_contains(getvariable('report_jobs'), job_id)
order by job_id, model_id
