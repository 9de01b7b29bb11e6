-- Question: what do the variants look like when jobs have other names?
-- Grain:    one row per (job_id, event_id, content_hash)
-- Reads:    variants, names (old, new)
select variants.* replace (coalesce(names.new, variants.job_id) as job_id)
from variants
left join names on variants.job_id = names.old
qualify
    row_number() over (
        partition by coalesce(names.new, variants.job_id), event_id, content_hash
        order by event, first_seen_at, source_id, position, "offset"
    ) = 1
