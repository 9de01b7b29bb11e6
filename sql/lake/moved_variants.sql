-- Question: what do the variants look like when some events of their jobs go to another job?
-- Grain:    one row per (job_id, event_id, content_hash)
-- Reads:    variants, renaming (events), names (old: streams that go), the variable goes_to
with leaving as (
    select distinct
        renaming.job_id,
        renaming.event_id
    from renaming
    inner join names on renaming.stream_id = names.old
),

moved as (
    select variants.* replace (
        if(leaving.job_id is null, variants.job_id, getvariable('goes_to')) as job_id
    )
    from variants
    left join leaving
        on variants.job_id = leaving.job_id and variants.event_id = leaving.event_id
)

select *
from moved
qualify
    row_number() over (
        partition by job_id, event_id, content_hash
        order by event, first_seen_at, source_id, position, "offset"
    ) = 1
