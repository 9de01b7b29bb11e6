-- Question: in which order do companions lie in a merged segment?
-- Grain:    one row per (job_id, kind, content)
-- Reads:    merging
select *
from merging
order by job_id, kind, content
