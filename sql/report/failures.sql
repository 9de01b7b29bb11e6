-- Why jobs failed: those that failed alike in one row, the commonest first, and how many such rows
-- there are.
--
-- Reads: failure_reasons
select
    template,
    error_code,
    phase,
    count(*) as jobs,
    array_agg(job_id order by failed_at desc, job_id)[:20] as job_ids,
    arg_max(told_of(message), (failed_at, job_id)) as message,
    count(*) over () as of_all
from failure_reasons
group by template, error_code, phase
order by jobs desc, max(failed_at) desc, template, error_code, phase
limit 50
