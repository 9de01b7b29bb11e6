-- Which is the last step of each job's curve?
--
-- Grain: job_id
-- Reads: stg_retold, stg_steps
-- Caveat: the greatest step of loss_curves, told without making it: what a restart threw away does
--   not count. Jobs without steps have no row.
create or replace view stg_last_steps as
with reruns as (
    select
        job_id,
        list(distinct {'step': step, 'begun_at': begun_at}) as rerun
    from stg_retold
    where begun_at is not null
    group by job_id
)

select
    steps.job_id,
    max(steps.step) as last_step
from stg_steps as steps
left join reruns on steps.job_id = reruns.job_id
where not thrown_away(reruns.rerun, steps.created_at, steps.step)
group by steps.job_id
;
