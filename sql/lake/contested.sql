-- Question: which events were given more than once, and by which rows?
-- Grain:    one row per (job_id, event_id, source_id, position, offset) of a contested identity
-- Reads:    fresh (rows read now), renamed (rows of the lake, staged under another job),
--           held (live rows of the same jobs), moved (those that go to other jobs)
-- Caveat:   `same` numbers the contents that are equal to the letter; whether contents that
--           differ in the letter differ in meaning is decided in `identity.py`.
create or replace temp table contested as
with given as (
    select *, false as is_held, false as was_held from fresh
    union all by name
    select *, false as is_held, true as was_held from renamed
    union all by name
    select *, true as is_held, true as was_held
    from held
    anti join moved using (source_id, position, "offset")
),

identities as (
    select job_id, event_id
    from given
    group by all
    having count(*) > 1 and bool_or(not is_held)
)

select
    given.job_id,
    given.event_id,
    given.created_at,
    given.level,
    given.type,
    given.message,
    given.object,
    given.data,
    given.extra,
    given.source_id,
    given.position,
    given."offset",
    given.is_held,
    given.was_held,
    dense_rank() over (
        partition by given.job_id, given.event_id
        order by given.created_at, given.level, given.type, given.message, given.object,
            given.data, given.extra
    ) as same
from given
inner join identities using (job_id, event_id)
