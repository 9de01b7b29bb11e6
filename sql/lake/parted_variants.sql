-- Question: which contents lost under a job that is not theirs, or to one that goes to another job?
-- Grain:    one row per (job_id, event_id, content_hash)
-- Reads:    variants, renaming (events), names (old: streams that go), the parameters source, jobs
with leaving as (
    select distinct
        renaming.job_id,
        renaming.event_id
    from renaming
    inner join names on renaming.stream_id = names.old
)

select
    variants.*,
    leaving.job_id is not null as is_free
from variants
left join leaving
    on variants.job_id = leaving.job_id and variants.event_id = leaving.event_id
where
    leaving.job_id is not null
    or (variants.source_id = $source and list_contains($jobs, variants.job_id))
