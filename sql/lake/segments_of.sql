-- Question: which live segments hold rows of the jobs asked for?
-- Grain:    one row per segment
-- Reads:    asked, segment_jobs, segments
select distinct segments.name
from asked
inner join segment_jobs using (job_id)
inner join segments using (name)
where segments.removed_at is null
order by segments.name
