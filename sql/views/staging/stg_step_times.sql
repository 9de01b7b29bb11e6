-- When did each job tell of its steps, in the order of time?
--
-- Grain: job_id
-- Reads: stg_events
-- Caveat: told has every event of a step, step -1 where it names none, but for those that give
--   metrics of validation only where others tell of training: these may come after later steps, and
--   are a sign of life (last_told_at). first_events(told) are those that tell of another step than
--   the one before, and the last of all. Of one moment and step those with a true time come first;
--   what else tells them apart is not asked, for between them is no gap. Lists, for windows sort
--   every job for each thing that is asked.
create or replace macro first_events(told) as
list_filter(
    told, lambda one, place: one.step is distinct from told[place - 1].step or place = len(told)
);

create or replace view stg_step_times as
with events as (
    select
        *,
        coalesce(train_loss, train_mean_token_accuracy, train_mean_reward) is null
        and coalesce(
            valid_loss,
            valid_mean_token_accuracy,
            full_valid_loss,
            full_valid_mean_token_accuracy,
            valid_mean_reward,
            full_valid_mean_reward
        ) is not null as is_evaluation
    from stg_events
    where lifecycle = 'step'
),

jobs as (
    select
        job_id,
        max(created_at) as last_told_at,
        bool_or(is_evaluation) and not bool_and(is_evaluation) as is_mixed,
        list_sort(list({
            'created_at': created_at,
            'step': order_step,
            'is_synthetic': synthetic_time,
            'total_steps': coalesce(
                total_steps,
                try_cast(regexp_extract(message, '^Step [0-9]+/([0-9]{1,15})\b', 1) as bigint)
            ),
            'is_evaluation': is_evaluation
        })) as told
    from events
    group by job_id
)

select
    job_id,
    last_told_at,
    if(is_mixed, list_filter(told, lambda one: not one.is_evaluation), told) as told
from jobs
;
