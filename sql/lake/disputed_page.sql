-- Question: what do the contents of some identities say, where these have more than one?
-- Grain:    one row per (job_id, event_id, digest)
-- Reads:    given, disputed, ranked, as far as that is known
-- Caveat:   of a $page those whose place is not less than $place. `misfits` as in `contested.sql`.
with wanted as (
    select *
    from disputed
    left join ranked using (number)
    where page = $page and coalesce(place, 0) >= $place
)

select
    wanted.number,
    wanted.content_hash,
    job_id,
    event_id,
    epoch(given.created_at)::bigint as created_at,
    given.level,
    given.type,
    given.message,
    given.object,
    given.data,
    given.extra,
    given.misfits,
    source_id,
    position,
    "offset"
from given
inner join wanted
    using (job_id, event_id, source_id, position, "offset", is_held, was_held)
