-- How did each job end, how long did it take, and how good did it get?
--
-- Grain: job_id
-- Reads: stg_job_states, stg_methods, loss_curves
-- Caveat: the outcome is told from the events, and from job objects and webhooks beside them: of
--   different ones the latest decides, of one moment the object's, then the webhook's; among events
--   the last message that tells one, unless the job starts again after it. Without any, an error or
--   a blocking moderation check after which nothing goes on is a failure; else the job counts as
--   being in the last phase that is told, also when the dump merely stops there. Times, model,
--   files and method are the object's where there is one. The method is else told by the keys of
--   the metrics: OpenAI's and Azure's preference jobs (DPO) send those of supervised ones and count
--   as such. Best and final values pass over NaN and infinities, last ones do not; final is the
--   greatest step that has the value, best the smallest step among equals. The times of Azure's
--   steps are synthetic and used for no duration. Losses are the curve's: best_steps goes by those
--   of checkpoint objects, too. Job objects have no time of their own: of several that tell no end,
--   a paused one (or pausing, which is a status too) outweighs a running one.
create or replace view jobs as
with curves as (
    select
        job_id,
        count(*) as steps,
        max(step) as last_step,
        arg_max(total_steps, step) as total_steps,
        arg_max(train_loss, step) as last_train_loss,
        arg_max(train_mean_reward, step) as last_train_reward,
        arg_max(train_loss, step) filter (where isfinite(train_loss)) as final_train_loss,
        arg_max(valid_loss, step) filter (where isfinite(valid_loss)) as final_valid_loss,
        arg_max(full_valid_loss, step) filter (where isfinite(full_valid_loss))
            as final_full_valid_loss,
        arg_max(train_mean_reward, step) filter (where isfinite(train_mean_reward))
            as final_train_reward,
        arg_max(full_valid_mean_reward, step) filter (where isfinite(full_valid_mean_reward))
            as final_full_valid_reward,
        min({'value': train_loss, 'step': step}) filter (where isfinite(train_loss))
            as best_train_loss,
        min({'value': valid_loss, 'step': step}) filter (where isfinite(valid_loss))
            as best_valid_loss,
        min({'value': full_valid_loss, 'step': step}) filter (where isfinite(full_valid_loss))
            as best_full_valid_loss,
        min({'value': -train_mean_reward, 'step': step})
            filter (where isfinite(train_mean_reward)) as best_train_reward,
        min({'value': -full_valid_mean_reward, 'step': step})
            filter (where isfinite(full_valid_mean_reward)) as best_full_valid_reward
    from loss_curves
    group by job_id
)

select
    jobs.job_id,
    not starts_with(jobs.job_id, 'unattributed-') as is_attributed,
    jobs.dialect,
    methods.method,
    jobs.status,
    jobs.outcome_message,
    jobs.created_at,
    jobs.started_at,
    jobs.ended_at,
    epoch(jobs.started_at) - epoch(jobs.created_at) as wait_seconds,
    epoch(jobs.ended_at) - epoch(jobs.started_at) as run_seconds,
    epoch(jobs.ended_at) - epoch(jobs.created_at) as total_seconds,
    jobs.seen_seconds,
    jobs.first_event_at,
    jobs.last_event_at,
    jobs.events,
    coalesce(curves.steps, 0) as steps,
    curves.last_step,
    curves.total_steps,
    curves.last_train_loss,
    curves.final_train_loss,
    curves.best_train_loss.value as best_train_loss,
    curves.best_train_loss.step as best_train_loss_step,
    curves.final_valid_loss,
    curves.best_valid_loss.value as best_valid_loss,
    curves.best_valid_loss.step as best_valid_loss_step,
    curves.final_full_valid_loss,
    curves.best_full_valid_loss.value as best_full_valid_loss,
    curves.best_full_valid_loss.step as best_full_valid_loss_step,
    curves.last_train_reward,
    curves.final_train_reward,
    -curves.best_train_reward.value as best_train_reward,
    curves.best_train_reward.step as best_train_reward_step,
    curves.final_full_valid_reward,
    -curves.best_full_valid_reward.value as best_full_valid_reward,
    curves.best_full_valid_reward.step as best_full_valid_reward_step,
    jobs.warnings,
    jobs.errors,
    jobs.model_id,
    jobs.training_file,
    jobs.validation_file,
    jobs.result_file,
    jobs.billed_tokens,
    jobs.trained_tokens,
    jobs.base_model,
    jobs.suffix,
    jobs.n_epochs,
    jobs.batch_size,
    jobs.learning_rate_multiplier,
    jobs.hyperparameters,
    jobs.seed,
    jobs.error_code,
    jobs.error_param,
    jobs.error_message,
    jobs.status_told_by
from stg_job_states as jobs
left join curves on jobs.job_id = curves.job_id
left join stg_methods as methods on jobs.job_id = methods.job_id
;

comment on view jobs is 'How did each job end, how long did it take, and how good did it get?';
comment on column jobs.job_id is 'fine-tuning job [id]';
comment on column jobs.is_attributed is 'false while the job of these events is unknown [bool]';
comment on column jobs.dialect is 'openai, azure or legacy [text]';
comment on column jobs.method is
    'supervised, preference or reinforcement; NULL where nothing tells it [text]';
comment on column jobs.status is
    'succeeded, failed, cancelled, running, paused, queued, validating_files or unknown [text]';
comment on column jobs.outcome_message is
    'the message, or the object''s error, that says how it ended; NULL while open [text]';
comment on column jobs.created_at is
    'by its object, else the creation message; NULL where the dump lacks both [UTC]';
comment on column jobs.started_at is
    'start of training, else the first step; NULL where the dump begins later [UTC]';
comment on column jobs.ended_at is
    'by its object, else the message or webhook that told it; NULL while open [UTC]';
comment on column jobs.wait_seconds is 'from creation to start [s]';
comment on column jobs.run_seconds is 'from start to end [s]';
comment on column jobs.total_seconds is 'from creation to end [s]';
comment on column jobs.seen_seconds is
    'from the first to the last event in the lake, Azure''s steps left out [s]';
comment on column jobs.first_event_at is 'earliest event in the lake [UTC]';
comment on column jobs.last_event_at is 'latest event in the lake [UTC]';
comment on column jobs.events is 'events in the lake [event]';
comment on column jobs.steps is 'different steps with metrics [step]';
comment on column jobs.last_step is 'greatest step with metrics [step]';
comment on column jobs.total_steps is
    'steps the job plans, by the greatest step that tells it; NULL where none does [step]';
comment on column jobs.last_train_loss is
    'training loss of the last step that has one; NaN and infinities as they are [1]';
comment on column jobs.final_train_loss is
    'training loss of the last step that has a finite one [1]';
comment on column jobs.best_train_loss is 'lowest training loss [1]';
comment on column jobs.best_train_loss_step is 'step of the lowest training loss [step]';
comment on column jobs.final_valid_loss is
    'sampled validation loss of the last step that has a finite one [1]';
comment on column jobs.best_valid_loss is 'lowest sampled validation loss [1]';
comment on column jobs.best_valid_loss_step is 'step of the lowest sampled validation loss [step]';
comment on column jobs.final_full_valid_loss is
    'whole validation loss of the last step that has a finite one [1]';
comment on column jobs.best_full_valid_loss is 'lowest whole validation loss [1]';
comment on column jobs.best_full_valid_loss_step is
    'step of the lowest whole validation loss [step]';
comment on column jobs.last_train_reward is
    'mean training reward of the last step that has one; NaN and infinities as they are [1]';
comment on column jobs.final_train_reward is
    'mean training reward of the last step that has a finite one [1]';
comment on column jobs.best_train_reward is 'highest mean training reward [1]';
comment on column jobs.best_train_reward_step is 'step of the highest mean training reward [step]';
comment on column jobs.final_full_valid_reward is
    'mean reward on the whole validation set of the last step that has a finite one [1]';
comment on column jobs.best_full_valid_reward is
    'highest mean reward on the whole validation set [1]';
comment on column jobs.best_full_valid_reward_step is
    'step of the highest mean reward on the whole validation set [step]';
comment on column jobs.warnings is 'warnings, as the view of that name counts them [event]';
comment on column jobs.errors is 'errors, as the view of that name counts them [event]';
comment on column jobs.model_id is
    'model it made, by its object or messages; NULL where none names it [id]';
comment on column jobs.training_file is 'training file, by its object or messages [id]';
comment on column jobs.validation_file is 'validation file, by its object or messages [id]';
comment on column jobs.result_file is 'results file, by its object or messages [id]';
comment on column jobs.billed_tokens is 'training tokens billed, from Azure''s messages [token]';
comment on column jobs.trained_tokens is 'tokens trained on and billed, by its object [token]';
comment on column jobs.base_model is 'model it started from, by its object [id]';
comment on column jobs.suffix is 'name given to the model it makes, by its object [text]';
comment on column jobs.n_epochs is 'passes over the training file, NULL for auto [epoch]';
comment on column jobs.batch_size is 'examples a step, NULL for auto [1]';
comment on column jobs.learning_rate_multiplier is
    'factor on the model''s own learning rate, NULL for auto [1]';
comment on column jobs.hyperparameters is 'all that the object names, as JSON text [text]';
comment on column jobs.seed is 'seed of the training, by its object [1]';
comment on column jobs.error_code is 'why it failed, a code, by its object [text]';
comment on column jobs.error_param is 'what was wrong, by its object: training_file, ... [text]';
comment on column jobs.error_message is 'why it failed, in words, by its object [text]';
comment on column jobs.status_told_by is
    'what the status is told by: events, object or webhook; NULL where it is unknown [text]';
