-- The numbers of one job's payloads that have no column of their own, by step: the latest of each.
select
    job_id,
    null::bigint as attempt,
    metric,
    step,
    arg_max(value, (created_at, event_id)) as value
from metrics
where job_id = $1 and not known and step is not null and value is not null
group by job_id, metric, step
order by metric, step
