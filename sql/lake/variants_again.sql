-- Question: which contents that lost has a file's earlier self told, and the whole tells again?
-- Grain:    one row per (job_id, event_id, content_hash)
-- Reads:    variants, fresh, replaced (source_id, grown_id)
-- Caveat:   whether they lose again, and in which job, is to be seen.
create or replace temp table variants_again as
select
    variants.job_id,
    variants.event_id,
    variants.content_hash
from variants
inner join replaced using (source_id)
inner join fresh
    on replaced.grown_id = fresh.source_id
    and variants.position = fresh.position
    and variants."offset" = fresh."offset"
    and variants.event_id = fresh.event_id
