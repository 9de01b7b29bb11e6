-- Which checkpoints did a job leave, of which step, under which model id, how good?
--
-- Grain: job_id, step, event_id
-- Reads: stg_events, loss_curves
-- Caveat: from messages. OpenAI writes them when the job ends, all in one second, so told_at is
--   not when the checkpoint was made; step_at is the time of its step. The model id stands in the
--   message only in some years. The losses are those of exactly this step.
create or replace view checkpoints as
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
    told.job_id,
    told.step,
    told.event_id,
    told.model_id,
    told.told_at,
    curves.created_at as step_at,
    curves.train_loss,
    curves.valid_loss,
    curves.full_valid_loss,
    curves.train_mean_reward,
    curves.full_valid_mean_reward,
    told.message
from told
left join loss_curves as curves on told.job_id = curves.job_id and told.step = curves.step
;

comment on view checkpoints is
    'Which checkpoints did a job leave, of which step, under which model id, how good?';
comment on column checkpoints.job_id is 'fine-tuning job [id]';
comment on column checkpoints.step is 'step of the checkpoint [step]';
comment on column checkpoints.event_id is 'the event that told it [id]';
comment on column checkpoints.model_id is
    'model to use the checkpoint by, NULL where the message has none [id]';
comment on column checkpoints.told_at is 'when the message was written, at job end on OpenAI [UTC]';
comment on column checkpoints.step_at is
    'when the step was logged, NULL where it is not in the dump [UTC]';
comment on column checkpoints.train_loss is 'mean training loss of the step''s batch [1]';
comment on column checkpoints.valid_loss is 'loss on a sample of the validation set [1]';
comment on column checkpoints.full_valid_loss is 'loss on the whole validation set [1]';
comment on column checkpoints.train_mean_reward is
    'mean reward of the step''s training samples [1]';
comment on column checkpoints.full_valid_mean_reward is
    'mean reward on the whole validation set [1]';
comment on column checkpoints.message is 'the text of the event [text]';
