-- How the rewards of the jobs of `report_jobs` held on the validation set: the last 30 evaluations.
--
-- Reads: reward_gaps
select
    job_id,
    step,
    train_reward,
    valid_reward,
    gap,
    reasoning_growth,
    train_grader_error,
    valid_grader_error,
    train_parse_error,
    valid_parse_error,
    unresponsive_rewards
from reward_gaps
where gap is not null and list_contains(getvariable('report_jobs'), job_id)
qualify row_number() over (partition by job_id order by step desc) <= 30
order by job_id, step
