-- The losses and rewards that a restart threw away, a row per attempt, metric and step.
--
-- Reads: loss_curve_attempts
with earlier as (
    select
        job_id,
        attempt,
        step,
        train_loss,
        valid_loss,
        full_valid_loss,
        train_mean_reward,
        valid_mean_reward,
        full_valid_mean_reward
    from loss_curve_attempts
    where not is_canonical and list_contains(getvariable('report_jobs'), job_id)
)

from (
    unpivot earlier
    on columns(* exclude (job_id, attempt, step))
    into name metric value value
)
order by job_id, attempt, metric, step
