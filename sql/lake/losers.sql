-- Question: which rows of a contested identity go?
-- Grain:    one row per (source_id, offset)
-- Reads:    contested, ranked (job_id, event_id, same, place): 0 for the contents that win
-- Caveat:   a row that the lake holds stays before an equal new one; which of equal new rows
--           stays makes no difference to any view.
create or replace temp table losers as
select
    source_id,
    position,
    "offset",
    is_held,
    job_id,
    event_id,
    coalesce(place, 0) as place,
    same
from contested
left join ranked using (job_id, event_id, same)
qualify
    row_number() over (
        partition by job_id, event_id
        order by coalesce(place, 0), is_held desc, source_id, "offset"
    ) > 1
