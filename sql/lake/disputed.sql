-- Question: which contents does one identity have, where it has more than one?
-- Grain:    one row per (job_id, event_id, same)
-- Reads:    contested
-- Caveat:   `number` counts identities, so that some can be looked at at once.
create or replace temp table disputed as
with contents as (
    select
        job_id,
        event_id,
        same,
        epoch(created_at)::bigint as created_at,
        level,
        type,
        message,
        object,
        data,
        extra
    from contested
    qualify
        row_number() over (
            partition by job_id, event_id, same
            order by is_held desc, was_held desc, source_id, "offset", position
        ) = 1
        and max(same) over (partition by job_id, event_id) > 1
)

select
    *,
    dense_rank() over (order by job_id, event_id) - 1 as number
from contents
order by number, same
