-- By which method was each job trained, told by its object, else from the keys of its metrics?
--
-- Grain: job_id
-- Reads: stg_told, lake_events, stg_job_objects
-- Caveat: only jobs of which that is told have a row. A key of a reward means reinforcement, one
--   that names the chosen or rejected answer of a pair (`rewards/chosen`, `logps/rejected`)
--   preference, a loss or a token accuracy alone supervised. OpenAI's and Azure's preference jobs
--   (DPO) send the keys of supervised ones and cannot be told from them: they count as supervised.
-- Source: OpenAI API reference, FineTuningJobEvent; TRL, DPOTrainer, logged metrics.
create or replace view stg_methods as
with named as (
    select
        job_id,
        bool_or(
            train_mean_reward is not null
            or valid_mean_reward is not null
            or full_valid_mean_reward is not null
            or mean_unresponsive_rewards is not null
        ) as has_rewards,
        bool_or(
            train_loss is not null
            or valid_loss is not null
            or full_valid_loss is not null
            or train_mean_token_accuracy is not null
            or valid_mean_token_accuracy is not null
            or full_valid_mean_token_accuracy is not null
        ) as has_losses
    from stg_told
    group by job_id
),

-- the events of a job give few different sets of keys
sets as (
    select distinct
        job_id,
        map_keys(other_metrics) as keys
    from lake_events
    where other_metrics is not null
),

others as (
    select
        job_id,
        bool_or(len(list_filter(keys, lambda key: key like '%reward_mean')) > 0) as has_scores,
        bool_or(
            len(list_filter(
                keys,
                lambda key: regexp_matches(key, '(^|[^a-z])(chosen|rejected)([^a-z]|$)')
            )) > 0
        ) as has_pairs
    from sets
    group by job_id
),

methods as (
    select
        job_id,
        case
            when named.has_rewards or others.has_scores then 'reinforcement'
            when others.has_pairs then 'preference'
            when named.has_losses then 'supervised'
        end as method
    from named
    full join others using (job_id)
)

select
    coalesce(objects.job_id, methods.job_id) as job_id,
    coalesce(objects.method, methods.method) as method
from methods
full join stg_job_objects as objects on methods.job_id = objects.job_id
where coalesce(objects.method, methods.method) is not null
;
