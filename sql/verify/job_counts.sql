-- Question: which segments of events hold other jobs, or other numbers of rows of them, than the
--           ledger says?
-- Grain:    one row per (segment, job_id)
-- Reads:    segments_of_events (with the column filename), told_jobs (name, job_id, row_count)
with counted as (
    select
        parse_filename(filename) as name,
        job_id,
        count(*) as row_count
    from segments_of_events
    group by all
)

select
    coalesce(counted.name, told_jobs.name) as name,
    coalesce(counted.job_id, told_jobs.job_id) as job_id,
    coalesce(counted.row_count, 0) as held_rows,
    coalesce(told_jobs.row_count, 0) as told_rows
from counted
full join told_jobs on counted.name = told_jobs.name and counted.job_id = told_jobs.job_id
where counted.row_count is distinct from told_jobs.row_count
order by all
