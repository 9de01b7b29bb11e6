-- Every value of every curve of the jobs of `report_jobs`, a row per metric and step; of validation
-- what checkpoint objects tell, too, so that the best step, and what the checkpoints are compared
-- by, is on the curve.
--
-- Reads: loss_curves, stg_validations
with curves as (
    select
        job_id,
        step,
        train_loss,
        valid_loss,
        full_valid_loss,
        train_mean_token_accuracy,
        valid_mean_token_accuracy,
        full_valid_mean_token_accuracy,
        train_mean_reward,
        valid_mean_reward,
        full_valid_mean_reward,
        completion_tokens_mean,
        reasoning_tokens_mean,
        valid_reasoning_tokens_mean,
        mean_unresponsive_rewards,
        full_valid_mean_parse_error
    from loss_curves
    where list_contains(getvariable('report_jobs'), job_id)
),

points as (
    unpivot curves
    on columns(* exclude (job_id, step))
    into name metric value value
)

from points

union all by name

select
    job_id,
    step,
    metric,
    value
from stg_validations
anti join points using (job_id, step, metric)
where list_contains(getvariable('report_jobs'), job_id)
order by job_id, metric, step
