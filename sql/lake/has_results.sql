-- Question: are there rows of result files of jobs that get another name?
-- Grain:    one row, or none
-- Reads:    fresh, names (old, new)
select 1
from fresh
inner join names on fresh.job_id = names.old
where fresh.kind = 'result'
limit 1
