-- Question: which identities were given more than once?
-- Grain:    one row per (job_id, event_id)
-- Reads:    fresh (rows read now), renamed (rows of the lake, staged under another job),
--           held (live rows of the same jobs), moved (those that go to other jobs)
-- Caveat:   the lake holds each once: one of which nothing is read or renamed now is none.
create or replace temp view given as
with lake_rows as (
    select *, false as is_held from renamed
    union all by name
    select *, true as is_held from held
)

select *, false as is_held, false as was_held from fresh
union all by name
select *, true as was_held
from lake_rows
anti join moved using (source_id, position, "offset");

create or replace temp table repeated as
select job_id, event_id
from given
group by all
having count(*) > 1 and bool_or(not is_held);
