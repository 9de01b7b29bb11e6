-- When did each job tell of its steps, in the order of time?
--
-- Grain: job_id
-- Reads: stg_events
-- Caveat: told has every event of a step, step -1 where it names none, but for those that give
--   metrics of validation only, which may come after later steps; first_events(told) those that
--   tell of another step than the one before, and the last of all. Of one moment and step those
--   with a true time come first; what else tells them apart is not asked, for between them is no
--   gap. Lists, for windows sort every job for each thing that is asked.
create or replace macro first_events(told) as
list_filter(
    told, lambda one, place: one.step is distinct from told[place - 1].step or place = len(told)
);

create or replace view stg_step_times as
select
    job_id,
    list_sort(list({
        'created_at': created_at,
        'step': order_step,
        'is_synthetic': synthetic_time,
        'total_steps': coalesce(
            total_steps,
            try_cast(regexp_extract(message, '^Step [0-9]+/([0-9]+)', 1) as bigint)
        )
    })) as told
from stg_events
where
    lifecycle = 'step'
    and (
        coalesce(valid_loss, full_valid_loss, valid_mean_reward, full_valid_mean_reward) is null
        or coalesce(train_loss, train_mean_token_accuracy, train_mean_reward) is not null
    )
group by job_id
;
