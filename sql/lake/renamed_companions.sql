-- Question: what do companions look like when jobs have other names?
-- Grain:    one row per (job_id, kind, content)
-- Reads:    fresh, names (old, new, source: of which alone, null for all)
with renamed as (
    select fresh.* replace (
        case when fresh.kind = 'result' then coalesce(names.new, fresh.job_id) else fresh.job_id end
            as job_id
    )
    from fresh
    left join names
        on fresh.job_id = names.old and fresh.source_id = coalesce(names.source, fresh.source_id)
)

select *
from renamed
qualify
    row_number() over (
        partition by job_id, kind, content order by source_id, position, "offset"
    ) = 1
order by job_id, kind, content
