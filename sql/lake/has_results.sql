-- Question: are there rows of result files of jobs that get another name?
-- Grain:    one row, or none
-- Reads:    fresh, names (old, new, source: of which alone, null for all)
select 1
from fresh
inner join names
    on fresh.job_id = names.old and fresh.source_id = coalesce(names.source, fresh.source_id)
where fresh.kind = 'result'
limit 1
