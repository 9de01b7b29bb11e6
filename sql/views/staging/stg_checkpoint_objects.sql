-- Which checkpoints do checkpoint objects tell of, with their true times and metrics?
--
-- Grain: job_id, checkpoint_id
-- Reads: lake_companions
-- Columns: job_id, checkpoint_id varchar, step bigint, created_at timestamptz, model_id
--   varchar, train_loss double, train_mean_token_accuracy double, valid_loss double,
--   valid_mean_token_accuracy double, full_valid_loss double, full_valid_mean_token_accuracy
--   double, train_mean_reward double, full_valid_mean_reward double
-- Caveat: of several objects with one id the one with more fields counts, then that of the greater
--   text.
-- Source: OpenAI API reference, FineTuningJobCheckpoint.
create or replace view stg_checkpoint_objects as
with objects as (
    select
        job_id,
        content,
        json_transform(content, '{
            "id": "VARCHAR",
            "created_at": "BIGINT",
            "step_number": "BIGINT",
            "fine_tuned_model_checkpoint": "VARCHAR",
            "metrics": {
                "train_loss": "DOUBLE",
                "train_mean_token_accuracy": "DOUBLE",
                "valid_loss": "DOUBLE",
                "valid_mean_token_accuracy": "DOUBLE",
                "full_valid_loss": "DOUBLE",
                "full_valid_mean_token_accuracy": "DOUBLE",
                "train_mean_reward": "DOUBLE",
                "full_valid_mean_reward": "DOUBLE"
            }
        }') as told,
        json_extract(content, '$.metrics') as metrics
    from lake_companions
    -- two columns, as in stg_metrics
    where if(job_id is null, null, kind) = 'checkpoint'
)

select
    job_id,
    told.id as checkpoint_id,
    told.step_number as step,
    to_timestamp(told.created_at) as created_at,
    told.fine_tuned_model_checkpoint as model_id,
    unnest(told.metrics)
from objects
qualify
    row_number() over (
        partition by job_id, told.id
        order by len(json_keys(content)) + coalesce(len(json_keys(metrics)), 0) desc, content desc
    ) = 1
;
