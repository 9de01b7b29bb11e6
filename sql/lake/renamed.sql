-- Question: what do the rows look like under their job's new name?
-- Grain:    one row per event of a renamed job, or of a stream that goes to another job
-- Reads:    {view}, names (old, new)
select {view}.* replace (names.new as job_id)
from {view}
inner join names on {view}.{key} = names.old
