-- Question: which rows of a file's earlier self have come again as events of another job?
-- Grain:    one row per (source_id, position, offset)
-- Reads:    held, renamed (rows of the lake, staged under another job), fresh, replaced
--           (source_id, grown_id)
-- Caveat:   the file begins with its earlier self, so a row's place in it is the same. What the
--           whole file tells of a job outweighs what its first half did: nothing loses to these.
create or replace temp table moved as
with earlier as (
    select source_id, position, "offset", job_id, event_id, true as is_held
    from held
    union all
    select source_id, position, "offset", job_id, event_id, false as is_held
    from renamed
)

select
    earlier.source_id,
    earlier.position,
    earlier."offset",
    earlier.is_held,
    true as was_held,
    earlier.job_id,
    earlier.event_id,
    0 as place,
    {
        'source_id': fresh.source_id, 'position': fresh.position, 'offset': fresh."offset",
        'was_held': false
    } as winner
from earlier
inner join replaced using (source_id)
inner join fresh
    on replaced.grown_id = fresh.source_id
    and earlier.position = fresh.position
    and earlier."offset" = fresh."offset"
    and earlier.event_id = fresh.event_id
    and earlier.job_id <> fresh.job_id
