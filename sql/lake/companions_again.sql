-- Question: which companions that leave with their source came again, from which source?
-- Grain:    one row per (source_id, kind)
-- Reads:    kept (staged), leaving (rows of sources that leave the lake)
select kept.source_id, kept.kind, count(*) as again
from kept
semi join leaving using (job_id, kind, content)
group by all
