-- Holds the curves in a connection: every detector reads them, and they are made only once. Where
-- the variable checked_job names a job, only its curve: no question comes for another.
create or replace table held_curves as
select
    job_id,
    step,
    total_steps,
    train_loss,
    valid_loss,
    full_valid_loss,
    train_mean_reward,
    valid_mean_reward,
    full_valid_mean_reward,
    events
from loss_curves
where getvariable('checked_job') is null or job_id = getvariable('checked_job')
;

create or replace view loss_curves as
from held_curves
;
