-- Which checkpoints did a job leave, of which step, under which model id, how good?
--
-- Grain: job_id, step, event_id, checkpoint_id
-- Reads: stg_checkpoints, loss_curves
-- Caveat: from messages and from checkpoint objects, brought together by job and step. OpenAI
--   writes the messages when the job ends, all in one second, so told_at is not when the checkpoint
--   was made: created_at, of the object, is, and step_at is the time of its step. The model id
--   stands in the message only in some years. The losses are those of exactly this step; where the
--   curve lacks one, the object's.
create or replace view checkpoints as
select
    known.job_id,
    known.step,
    known.event_id,
    known.checkpoint_id,
    known.model_id,
    known.created_at,
    known.told_at,
    curves.created_at as step_at,
    coalesce(curves.train_loss, known.train_loss) as train_loss,
    coalesce(curves.train_mean_token_accuracy, known.train_mean_token_accuracy)
        as train_mean_token_accuracy,
    coalesce(curves.valid_loss, known.valid_loss) as valid_loss,
    coalesce(curves.valid_mean_token_accuracy, known.valid_mean_token_accuracy)
        as valid_mean_token_accuracy,
    coalesce(curves.full_valid_loss, known.full_valid_loss) as full_valid_loss,
    coalesce(curves.full_valid_mean_token_accuracy, known.full_valid_mean_token_accuracy)
        as full_valid_mean_token_accuracy,
    coalesce(curves.train_mean_reward, known.train_mean_reward) as train_mean_reward,
    coalesce(curves.full_valid_mean_reward, known.full_valid_mean_reward)
        as full_valid_mean_reward,
    known.message
from stg_checkpoints as known
left join loss_curves as curves on known.job_id = curves.job_id and known.step = curves.step
;

comment on view checkpoints is
    'Which checkpoints did a job leave, of which step, under which model id, how good?';
comment on column checkpoints.job_id is 'fine-tuning job [id]';
comment on column checkpoints.step is 'step of the checkpoint [step]';
comment on column checkpoints.event_id is
    'the event that told it, NULL where only an object does [id]';
comment on column checkpoints.checkpoint_id is
    'the checkpoint''s own id, NULL where only a message tells it [id]';
comment on column checkpoints.model_id is
    'model to use the checkpoint by, NULL where nothing names it [id]';
comment on column checkpoints.created_at is
    'when it was made, by its object; NULL where there is none [UTC]';
comment on column checkpoints.told_at is 'when the message was written, at job end on OpenAI [UTC]';
comment on column checkpoints.step_at is
    'when the step was logged, NULL where it is not in the dump [UTC]';
comment on column checkpoints.train_loss is 'mean training loss of the step''s batch [1]';
comment on column checkpoints.train_mean_token_accuracy is
    'share of training tokens predicted right [1]';
comment on column checkpoints.valid_loss is 'loss on a sample of the validation set [1]';
comment on column checkpoints.valid_mean_token_accuracy is
    'share of sampled validation tokens predicted right [1]';
comment on column checkpoints.full_valid_loss is 'loss on the whole validation set [1]';
comment on column checkpoints.full_valid_mean_token_accuracy is
    'share of all validation tokens predicted right [1]';
comment on column checkpoints.train_mean_reward is
    'mean reward of the step''s training samples [1]';
comment on column checkpoints.full_valid_mean_reward is
    'mean reward on the whole validation set [1]';
comment on column checkpoints.message is 'the text of the event, if one tells it [text]';
