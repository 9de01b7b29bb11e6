-- Which checkpoints did messages and checkpoint objects tell of a job?
--
-- Grain: job_id, step, event_id, checkpoint_id
-- Reads: stg_events, stg_checkpoint_objects
-- Caveat: brought together by job and step. The model id stands in the message only in some years,
--   and told_at, of the message, is when the job ended.
create or replace view stg_checkpoints as
with told as (
    select
        job_id,
        event_id,
        created_at as told_at,
        nullif(order_step, -1) as step,
        nullif(regexp_extract(message, 'Snapshot ID: *([^ ]*[A-Za-z0-9])', 1), '') as model_id,
        message
    from stg_events
    where lifecycle = 'checkpoint'
)

select
    coalesce(told.job_id, objects.job_id) as job_id,
    coalesce(told.step, objects.step) as step,
    told.event_id,
    objects.checkpoint_id,
    coalesce(objects.model_id, told.model_id) as model_id,
    objects.created_at,
    told.told_at,
    told.message,
    objects.train_loss,
    objects.train_mean_token_accuracy,
    objects.valid_loss,
    objects.valid_mean_token_accuracy,
    objects.full_valid_loss,
    objects.full_valid_mean_token_accuracy,
    objects.train_mean_reward,
    objects.full_valid_mean_reward
from told
full join stg_checkpoint_objects as objects
    on told.job_id = objects.job_id and told.step = objects.step
;
