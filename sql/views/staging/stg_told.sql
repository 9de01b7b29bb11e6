-- Which metrics was each job told to have at a step, by an event or by a row of a result file?
--
-- Grain: job_id, event_id, step
-- Reads: stg_metrics, stg_results
-- Caveat: told_rank says whose number stands where a step has several: payloads (2) before result
--   files (1) before messages (0). Rows of result files have no event and no time.
create or replace view stg_told as
select
    job_id,
    step,
    event_id,
    created_at,
    ordinal,
    total_steps,
    train_loss,
    train_mean_token_accuracy,
    valid_loss,
    valid_mean_token_accuracy,
    full_valid_loss,
    full_valid_mean_token_accuracy,
    train_mean_reward,
    valid_mean_reward,
    full_valid_mean_reward,
    full_valid_mean_parse_error,
    reasoning_tokens_mean,
    valid_reasoning_tokens_mean,
    completion_tokens_mean,
    mean_unresponsive_rewards,
    from_message,
    false as from_result_file,
    case when from_message then 0 else 2 end as told_rank
from stg_metrics

union all by name

select
    *,
    false as from_message,
    true as from_result_file,
    1 as told_rank
from stg_results
;
