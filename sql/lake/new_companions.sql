-- Question: which staged companions does the lake not hold yet, each once?
-- Grain:    one row per (job_id, kind, content)
-- Reads:    fresh, held
select *
from fresh
anti join held using (job_id, kind, content)
qualify
    row_number() over (
        partition by job_id, kind, content order by source_id, position, "offset"
    ) = 1
order by job_id, kind, content
