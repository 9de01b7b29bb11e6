-- What is told of one job's validation, by checkpoint objects too, so that its best step, and what
-- its checkpoints are compared by, is on the curve.
select
    job_id,
    null::bigint as attempt,
    metric,
    step,
    value
from stg_validations
where job_id = $1
order by metric, step
