-- Question: which contents does one identity have, where it has more than one?
-- Grain:    one row per (job_id, event_id, same)
-- Reads:    contested
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
        partition by job_id, event_id, same order by is_held desc, source_id, "offset", position
    ) = 1
    and max(same) over (partition by job_id, event_id) > 1
order by job_id, event_id, same
