-- How did each job end, how long did it take, and how good did it get?
--
-- Grain: job_id
-- Reads: stg_events, stg_milestones, stg_methods, stg_job_objects, stg_outcomes, loss_curves,
--   lake_companions
-- Caveat: told from the events, and from what lies beside them. Of the events the last message that
--   tells an outcome decides, unless the job starts again after it. Job objects and webhooks tell
--   an outcome too: of different ones the latest decides, of one moment the object's, then the
--   webhook's; an object that ended without saying when is the latest. Without any, an error or a
--   blocking moderation check after which nothing goes on is a failure; else the job counts as
--   being in the last phase that events or object tell, also when the dump merely stops there.
--   Times, model, files and method are the object's where there is one. The method is else told by
--   the keys of the metrics: OpenAI's and Azure's preference jobs (DPO) send those of supervised
--   ones and count as such. Best and final values pass over NaN and infinities; final is the
--   greatest step that has the value, best the smallest step among equals. The times of Azure's
--   steps are synthetic and used for no duration.
create or replace view jobs as
with seen as (
    select
        job_id,
        event_id,
        dialect,
        level,
        created_at,
        lifecycle,
        synthetic_time
    from stg_events

    union all by name

    select job_id from lake_companions
),

counts as (
    select
        job_id,
        min(dialect) as dialect,
        count(event_id) as events,
        count(*) filter (where lower(level) in ('warn', 'warning')) as warnings,
        min(created_at) as first_event_at,
        max(created_at) as last_event_at,
        max(epoch(created_at)) filter (where not synthetic_time)
        - min(epoch(created_at)) filter (where not synthetic_time) as seen_seconds,
        min(created_at) filter (where lifecycle = 'step' and not synthetic_time) as first_step_at,
        max(created_at) filter (where lifecycle = 'step' and not synthetic_time) as last_step_at,
        count(*) filter (where lifecycle = 'step') as step_events
    from seen
    group by job_id
),

milestones as (
    select
        job_id,
        count(*) filter (where is_error) as errors,
        min(created_at) filter (where lifecycle = 'created') as created_at,
        min(created_at) filter (where lifecycle = 'training') as training_at,
        min(created_at) filter (where lifecycle = 'started') as started_at,
        arg_max(phase, place) filter (where phase is not null) as last_phase,
        max(place) filter (where phase in ('created', 'validating', 'queued', 'running'))
            as begun_at,
        max(place) filter (where phase is not null and lifecycle not in ('closing', 'billed'))
            as going_on_at,
        max(place) filter (where outcome in ('succeeded', 'failed', 'cancelled')) as told_at,
        arg_max(outcome, place) filter (where outcome in ('succeeded', 'failed', 'cancelled'))
            as told_outcome,
        arg_max(message, place) filter (where outcome in ('succeeded', 'failed', 'cancelled'))
            as told_message,
        max(place) filter (where outcome in ('error', 'blocked')) as broken_at,
        arg_max(message, place) filter (where outcome in ('error', 'blocked')) as broken_message,
        arg_max(
            coalesce(
                nullif(regexp_extract(message, '(?:model created|Uploaded model): *(\S+)', 1), ''),
                nullif(regexp_extract(message, 'snapshot (\S*[A-Za-z0-9])', 1), '')
            ),
            place
        ) filter (where lifecycle in ('model', 'moderation')) as model_id,
        arg_max(nullif(regexp_extract(message, 'training file: *([A-Za-z0-9_-]+)', 1), ''), place)
            as training_file,
        arg_max(nullif(regexp_extract(message, 'validation file: *([A-Za-z0-9_-]+)', 1), ''), place)
            as validation_file,
        arg_max(nullif(regexp_extract(message, 'results? file: *([A-Za-z0-9_-]+)', 1), ''), place)
            as result_file,
        arg_max(
            try_cast(regexp_extract(message, 'tokens billed: *([0-9]+)', 1) as bigint),
            place
        ) as billed_tokens
    from stg_milestones
    group by job_id
),

curves as (
    select
        job_id,
        count(*) as steps,
        max(step) as last_step,
        max(total_steps) as total_steps,
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
),

facts as (
    select
        counts.*,
        milestones.* exclude (job_id, created_at, errors, model_id, training_file, validation_file,
            result_file),
        objects.* exclude (job_id, status, created_at, method, model_id, training_file,
            validation_file, result_file),
        coalesce(objects.method, methods.method) as method,
        coalesce(objects.created_at, milestones.created_at) as created_at,
        coalesce(milestones.errors, 0) as errors,
        coalesce(objects.model_id, milestones.model_id) as model_id,
        coalesce(objects.training_file, milestones.training_file) as training_file,
        coalesce(objects.validation_file, milestones.validation_file) as validation_file,
        coalesce(objects.result_file, milestones.result_file) as result_file,
        objects.status as object_status,
        objects.status in ('succeeded', 'failed', 'cancelled') as is_object_final,
        hooks.status as hook_status,
        hooks.ended_at as hook_at,
        milestones.told_outcome is not null
        and coalesce(milestones.begun_at < milestones.told_at, true) as is_told,
        milestones.broken_at is not null
        and coalesce(milestones.going_on_at <= milestones.broken_at, true)
        and coalesce(counts.last_step_at <= milestones.broken_at.a, true) as is_broken
    from counts
    left join milestones on counts.job_id = milestones.job_id
    left join stg_outcomes as hooks on counts.job_id = hooks.job_id
    left join stg_job_objects as objects on counts.job_id = objects.job_id
    left join stg_methods as methods on counts.job_id = methods.job_id
),

-- of all the ways in which a job is said to have ended, the one that decides
endings as (
    select
        *,
        list_max([
            case
                when is_told
                    then {
                        'ended_at': told_at.a,
                        'weight': 1,
                        'told_by': 'events',
                        'status': told_outcome
                    }
            end,
            case
                when hook_status is not null
                    then {
                        'ended_at': coalesce(hook_at, '-infinity'::timestamptz),
                        'weight': 2,
                        'told_by': 'webhook',
                        'status': hook_status
                    }
            end,
            case
                when is_object_final
                    then {
                        'ended_at': coalesce(finished_at, 'infinity'::timestamptz),
                        'weight': 3,
                        'told_by': 'object',
                        'status': object_status
                    }
            end
        ]) as ending,
        case
            when is_broken then 'failed'
            when last_phase in ('running', 'finalising') then 'running'
            when step_events > 0 then 'running'
            when last_phase = 'queued' then 'queued'
            when last_phase in ('created', 'validating') then 'validating_files'
            else 'unknown'
        end as seen_status
    from facts
),

standings as (
    select
        * exclude (ending),
        ending.status as end_status,
        ending.told_by as end_told_by,
        case seen_status
            when 'unknown' then 0
            when 'validating_files' then 1
            when 'queued' then 2
            when 'running' then 3
            else 5
        end as seen_rank
    from endings
),

joined as (
    select
        * exclude (started_at),
        case
            when end_status is not null then end_told_by
            when coalesce(status_rank, 0) > seen_rank then 'object'
            when seen_rank > 0 then 'events'
        end as status_told_by,
        case
            when end_status is not null then end_status
            when coalesce(status_rank, 0) > seen_rank then object_status
            else seen_status
        end as status,
        -- of those that agree the object knows the time best, the events the words
        case
            when end_status is null then case when is_broken then broken_message end
            else coalesce(
                case when is_told and told_outcome = end_status then told_message end,
                case when is_object_final and object_status = end_status then error_message end
            )
        end as outcome_message,
        case
            when end_status is null then case when is_broken then broken_at.a end
            else coalesce(
                case when is_object_final and object_status = end_status then finished_at end,
                case when is_told and told_outcome = end_status then told_at.a end,
                case when hook_status = end_status then hook_at end
            )
        end as ended_at,
        coalesce(training_at, started_at, first_step_at) as started_at
    from standings
)

select
    jobs.job_id,
    not starts_with(jobs.job_id, 'unattributed-') as is_attributed,
    coalesce(
        jobs.dialect,
        case
            when regexp_full_match(jobs.job_id, 'ftjob-[0-9a-f]{32}') then 'azure'
            else 'openai'
        end
    ) as dialect,
    jobs.method,
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
    curves.final_train_loss,
    curves.best_train_loss.value as best_train_loss,
    curves.best_train_loss.step as best_train_loss_step,
    curves.final_valid_loss,
    curves.best_valid_loss.value as best_valid_loss,
    curves.best_valid_loss.step as best_valid_loss_step,
    curves.final_full_valid_loss,
    curves.best_full_valid_loss.value as best_full_valid_loss,
    curves.best_full_valid_loss.step as best_full_valid_loss_step,
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
from joined as jobs
left join curves on jobs.job_id = curves.job_id
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
comment on column jobs.started_at is 'start of training, else the first step [UTC]';
comment on column jobs.ended_at is
    'by its object, else the message or webhook that told it; NULL while open [UTC]';
comment on column jobs.wait_seconds is 'from creation to start [s]';
comment on column jobs.run_seconds is 'from start to end [s]';
comment on column jobs.total_seconds is 'from creation to end [s]';
comment on column jobs.seen_seconds is 'from the first to the last event in the lake [s]';
comment on column jobs.first_event_at is 'earliest event in the lake [UTC]';
comment on column jobs.last_event_at is 'latest event in the lake [UTC]';
comment on column jobs.events is 'events in the lake [event]';
comment on column jobs.steps is 'different steps with metrics [step]';
comment on column jobs.last_step is 'greatest step with metrics [step]';
comment on column jobs.total_steps is 'steps the job plans, NULL where never told [step]';
comment on column jobs.final_train_loss is 'training loss of the last step that has one [1]';
comment on column jobs.best_train_loss is 'lowest training loss [1]';
comment on column jobs.best_train_loss_step is 'step of the lowest training loss [step]';
comment on column jobs.final_valid_loss is
    'sampled validation loss of the last step that has one [1]';
comment on column jobs.best_valid_loss is 'lowest sampled validation loss [1]';
comment on column jobs.best_valid_loss_step is 'step of the lowest sampled validation loss [step]';
comment on column jobs.final_full_valid_loss is
    'whole validation loss of the last step that has one [1]';
comment on column jobs.best_full_valid_loss is 'lowest whole validation loss [1]';
comment on column jobs.best_full_valid_loss_step is
    'step of the lowest whole validation loss [step]';
comment on column jobs.final_train_reward is
    'mean training reward of the last step that has one [1]';
comment on column jobs.best_train_reward is 'highest mean training reward [1]';
comment on column jobs.best_train_reward_step is 'step of the highest mean training reward [step]';
comment on column jobs.final_full_valid_reward is
    'mean reward on the whole validation set of the last step that has one [1]';
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
