-- Question: how many rows did each source lose, as what they tell is told already?
-- Grain:    one row per (source_id, kind)
-- Reads:    fresh, kept
with counted as (
    select source_id, kind, count(*) as came, 0 as stayed from fresh group by all
    union all
    select source_id, kind, 0 as came, count(*) as stayed from kept group by all
)

select source_id, kind, (sum(came) - sum(stayed))::bigint as lost
from counted
group by source_id, kind
having sum(came) > sum(stayed)
