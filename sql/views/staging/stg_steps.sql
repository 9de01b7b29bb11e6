-- Which steps was each job told of, when, and of which did it tell training?
--
-- Grain: job_id, event_id, step
-- Reads: lake_events, stg_spoken, stg_results
-- Caveat: of stg_told the little that tells restarts, as every event is asked for it. spoken is
--   false where a payload gives a metric of training, true where a message does, else NULL. Rows
--   of result files have no time.

-- Whether a list without NULLs lies in order: a sort takes three times as long to tell. (NULLs make
-- it untold, and so false.)
create or replace macro is_in_order(items) as
len(list_filter(items, lambda one, place: coalesce(one < items[place - 1], place > 1))) = 0;

-- A list in the order of another. Almost all lie in order, and that is soon seen.
create or replace macro in_order_of(keys, items) as
case
    when is_in_order(keys) then items
    else list_transform(list_sort(list_zip(keys, items)), lambda one: one[2])
end;

create or replace view stg_steps as
select
    job_id,
    event_id,
    step,
    created_at,
    case
        when
            coalesce(
                train_loss,
                train_mean_token_accuracy,
                train_mean_reward,
                reasoning_tokens_mean,
                completion_tokens_mean,
                mean_unresponsive_rewards
            ) is not null
            then false
    end as spoken
from lake_events
-- two columns, as in stg_metrics
where (step <= ordinal) is not null

union all

select
    job_id,
    event_id,
    step,
    created_at,
    case when coalesce(train_loss, train_mean_reward) is not null then true end as spoken
from stg_spoken

union all

select
    job_id,
    null as event_id,
    step,
    null as created_at,
    null as spoken
from stg_results
;
