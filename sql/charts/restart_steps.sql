-- The steps at which one job began again.
select first_step as step
from attempts
where job_id = $1 and attempt > 1
order by attempt
