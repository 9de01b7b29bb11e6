-- The steps at which one job has checkpoints, each with a model id if one is told.
select step, max(model_id) as model_id
from checkpoints
where job_id = $1 and step is not null
group by step
order by step
