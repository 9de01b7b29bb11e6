-- Which known metrics do result files give for each step?
--
-- Grain: job_id, step
-- Reads: lake_companions
-- Columns: job_id, step bigint, train_loss double, train_mean_token_accuracy double,
--   valid_loss double, valid_mean_token_accuracy double, full_valid_loss double,
--   full_valid_mean_token_accuracy double, train_mean_reward double, valid_mean_reward double,
--   full_valid_mean_reward double, full_valid_mean_parse_error double, reasoning_tokens_mean
--   double, valid_reasoning_tokens_mean double, completion_tokens_mean double,
--   mean_unresponsive_rewards double
-- Caveat: of several rows of a step the one with more numbers counts, then that of the longer text
--   (a file caught half-written ends within a number), then of the greater, each metric by the best
--   row that has it. Values are rounded to 5 decimals.
-- Source: OpenAI and Azure, fine-tuning guides, result files.
create or replace view stg_results as
with points as (
    select
        job_id,
        unnest(json_transform(content, '{
            "step": "BIGINT",
            "train_loss": "DOUBLE",
            "train_mean_token_accuracy": "DOUBLE",
            "valid_loss": "DOUBLE",
            "valid_mean_token_accuracy": "DOUBLE",
            "full_valid_loss": "DOUBLE",
            "full_valid_mean_token_accuracy": "DOUBLE",
            "train_mean_reward": "DOUBLE",
            "valid_mean_reward": "DOUBLE",
            "full_valid_mean_reward": "DOUBLE",
            "full_valid_mean_parse_error": "DOUBLE",
            "reasoning_tokens_mean": "DOUBLE",
            "valid_reasoning_tokens_mean": "DOUBLE",
            "completion_tokens_mean": "DOUBLE",
            "mean_unresponsive_rewards": "DOUBLE"
        }')),
        {'a': len(json_keys(content)), 'b': strlen(content), 'c': content} as place
    from lake_companions
    -- two columns, as in stg_metrics
    where if(job_id is null, null, kind) = 'result'
)

select
    job_id,
    step,
    arg_max(columns(* exclude (job_id, step, place)), place)
from points
group by job_id, step
;
