-- Where does each job that starts over do so, in the order of time of its metrics?
--
-- Grain: job_id
-- Reads: stg_metrics
-- Caveat: jobs that never start over have no row. An attempt begins where, in order of time, the
--   step falls, or where a metric is given again for a step that has it in this attempt. Events of
--   one step that give different metrics (training and validation apart) are one attempt, and so
--   are a payload and a message that tell the same. What gives metrics of validation only begins
--   nothing: it may come after later steps. attempt_at(places, ...) is the number of
--   the attempt that an event belongs to.
create or replace macro attempt_at(places, at_time, at_step, at_ordinal, at_event) as
1 + coalesce(
    len(list_filter(places, lambda begun: begun <= {
        'created_at': at_time,
        'step': at_step,
        'ordinal': at_ordinal,
        'event_id': at_event
    })),
    0
)
;

create or replace view stg_restarts as
with given as (
    select
        job_id,
        event_id,
        created_at,
        ordinal,
        step,
        -- a bit for each metric given, those of messages apart from those of payloads
        (
            (train_loss is not null)::bigint
            | ((train_mean_token_accuracy is not null)::bigint << 1)
            | ((valid_loss is not null)::bigint << 2)
            | ((valid_mean_token_accuracy is not null)::bigint << 3)
            | ((full_valid_loss is not null)::bigint << 4)
            | ((full_valid_mean_token_accuracy is not null)::bigint << 5)
            | ((train_mean_reward is not null)::bigint << 6)
            | ((valid_mean_reward is not null)::bigint << 7)
            | ((full_valid_mean_reward is not null)::bigint << 8)
            | ((full_valid_mean_parse_error is not null)::bigint << 9)
            | ((reasoning_tokens_mean is not null)::bigint << 10)
            | ((valid_reasoning_tokens_mean is not null)::bigint << 11)
            | ((completion_tokens_mean is not null)::bigint << 12)
            | ((mean_unresponsive_rewards is not null)::bigint << 13)
        ) << (14 * from_message::bigint) as metrics_given
    from stg_metrics
    where
        coalesce(
            train_loss,
            train_mean_token_accuracy,
            train_mean_reward,
            reasoning_tokens_mean,
            completion_tokens_mean,
            mean_unresponsive_rewards
        ) is not null
        or coalesce(
            valid_loss,
            valid_mean_token_accuracy,
            full_valid_loss,
            full_valid_mean_token_accuracy,
            valid_mean_reward,
            full_valid_mean_reward,
            full_valid_mean_parse_error,
            valid_reasoning_tokens_mean
        ) is null
),

-- in the order of time as far as it tells steps apart: sorting by all of it is twice as slow
neighbours as (
    select
        *,
        lag(step) over in_time as step_before,
        lead(step) over in_time as step_after
    from given
    window in_time as (partition by job_id order by created_at, step)
),

-- runs of neighbours of one step, without those of a single event that goes on
suspects as (
    select
        *,
        count(*) filter (where step is distinct from step_before) over (
            partition by job_id order by created_at, step
        ) as run
    from neighbours
    where step <= step_before or step = step_after
),

runs as (
    select
        *,
        bool_or(step < step_before) over (partition by job_id, run) as is_fall,
        list(metrics_given) over (
            partition by job_id, run order by created_at, ordinal, event_id
        ) as given_so_far
    from suspects
),

begins as (
    select
        job_id,
        {
            'created_at': created_at,
            'step': step,
            'ordinal': ordinal,
            'event_id': event_id
        } as place,
        case
            when len(given_so_far) = 1 then if(is_fall, 'fall', null)
            -- what the attempt has given for the step, negative where that had to begin anew
            when list_reduce(
                given_so_far,
                lambda known, new:
                    case when abs(known) & new = 0 then abs(known) | new else -new end
            ) < 0 then 'repeat'
        end as began_by
    from runs
)

select
    job_id,
    list(place order by place) as places,
    list(began_by order by place) as began_by
from begins
where began_by is not null
group by job_id
;
