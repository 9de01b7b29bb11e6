-- The best step of one job, and by what it is the best.
select best_step as step, metric, best_value as value, is_smoothed
from best_steps
where job_id = $1
