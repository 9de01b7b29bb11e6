-- Question: which rows of a file's earlier self have come again as events of another job?
-- Grain:    one row per (source_id, position, offset)
-- Reads:    held, fresh, replaced (source_id, grown_id)
-- Caveat:   the file begins with its earlier self, so a row's place in it is the same. What the
--           whole file tells of a job outweighs what its first half did: nothing loses to these.
create or replace temp table moved as
select
    held.source_id,
    held.position,
    held."offset",
    true as is_held,
    true as was_held,
    held.job_id,
    held.event_id,
    0 as place,
    {
        'source_id': fresh.source_id, 'position': fresh.position, 'offset': fresh."offset",
        'was_held': false
    } as winner
from held
inner join replaced using (source_id)
inner join fresh
    on replaced.grown_id = fresh.source_id
    and held.position = fresh.position
    and held."offset" = fresh."offset"
    and held.event_id = fresh.event_id
    and held.job_id <> fresh.job_id
