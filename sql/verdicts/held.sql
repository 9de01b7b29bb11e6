-- Holds in a connection what several rules ask for: it is made only once.
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
    events,
    first_created_at
from loss_curves
;

create or replace view loss_curves as
from held_curves
;

create or replace table held_milestones as
from stg_milestones
;

create or replace view stg_milestones as
from held_milestones
;
