-- Question: which contents does one identity have, where it has more than one?
-- Grain:    one row per (job_id, event_id, digest)
-- Reads:    contested, given
-- Caveat:   `number` counts identities, so that some can be looked at at once; `same` the contents
--           of one, the least in the letter first.
create or replace temp table disputed as
with several as (
    select job_id, event_id
    from contested
    group by all
    having min(digest) < max(digest)
),

first_rows as (
    select contested.*
    from contested
    semi join several using (job_id, event_id)
    qualify
        row_number() over (
            partition by job_id, event_id, digest
            order by is_held desc, was_held desc, source_id, "offset", position
        ) = 1
)

select
    job_id,
    event_id,
    first_rows.digest,
    dense_rank() over (
        partition by job_id, event_id
        order by given.created_at, level, type, message, object, data, extra
    ) as same,
    epoch(given.created_at)::bigint as created_at,
    level,
    type,
    message,
    object,
    data,
    extra,
    dense_rank() over (order by job_id, event_id) - 1 as number
from given
inner join first_rows using (job_id, event_id, source_id, position, "offset", is_held, was_held)
order by number, same
