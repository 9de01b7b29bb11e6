-- Question: which contents lost under a job that is not theirs, or to one that goes to another job?
-- Grain:    one row per (job_id, event_id, content_hash)
-- Reads:    variants, leaving (job_id, event_id), the parameters source, jobs
select
    variants.*,
    leaving.job_id is not null as is_free
from variants
left join leaving
    on variants.job_id = leaving.job_id and variants.event_id = leaving.event_id
where
    leaving.job_id is not null
    or (variants.source_id = $source and list_contains($jobs, variants.job_id))
