-- The values of the metric by which one job is judged, those of checkpoint objects among them, so
-- that its best step is on the curve.
select
    job_id,
    null::bigint as attempt,
    metric,
    step,
    value
from stg_evaluations
where job_id = $1
order by step
