-- Question: which events may tell a step by their message, in segments of which the ledger says
--           that none does? (Views would not see the step.)
-- Grain:    one row per event
-- Reads:    silent_segments (with the column filename)
select
    parse_filename(filename) as name,
    job_id,
    event_id
from silent_segments
where step is null and case when step is null then starts_with(message, 'Step ') end
order by all
