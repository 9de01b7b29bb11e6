-- How does each job stand, by its events and by what lies beside them?
--
-- Grain: job_id
-- Reads: stg_events, stg_milestones, stg_job_objects, stg_outcomes, lake_companions
-- Caveat: of the events the last message that tells an outcome decides, unless the job starts
--   again after it. Job objects and webhooks tell an outcome too: of different ones the latest
--   decides, of one moment the object's, then the webhook's; an object that ended without saying
--   when is the latest. Without any, an error or a blocking moderation check after which nothing
--   goes on is a failure; else the job counts as being in the last phase that events or object
--   tell, also when the dump merely stops there. Times, model and files are the object's where
--   there is one. The times of Azure's steps are
--   synthetic and used for no duration.
-- Which of a failed job's problems, {is_event, has_code, place in time, created_at, message}, says
-- why it failed; NULL where none can. Only one after which it logged three steps at most can: what
-- was under way, not what it went on to (went_on_at is the time of the fourth step from its last).
-- Of several those come first that say more than that it failed, then those no later than the end,
-- those after which no step came, those of events before that of the job object, those that name
-- an error_code, and the last in time.
create or replace macro reason_of(problems, ended_at, last_step_at, went_on_at) as
list_max(
    list_transform(
        list_filter(problems, lambda one: coalesce(one.created_at >= went_on_at, true)),
        lambda one: {
            'tells_more': not regexp_full_match(
                one.message, '(the )?(fine-tuning )?job failed[.!]?', 'i'
            ),
            'is_no_consequence': coalesce(one.created_at <= ended_at, true),
            'is_last': coalesce(one.created_at >= last_step_at, true),
            'reason': one
        }
    )
).reason;

create or replace view stg_job_states as
with seen as (
    select
        job_id,
        event_id,
        dialect,
        level,
        created_at,
        lifecycle,
        order_step,
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
        min({'at': created_at, 'step': order_step})
            filter (where lifecycle = 'step' and not synthetic_time) as first_step,
        max(created_at) filter (where lifecycle = 'step' and not synthetic_time) as last_step_at,
        count(*) filter (where lifecycle in ('step', 'checkpoint')) as step_events
    from seen
    group by job_id
),

milestones as (
    select
        job_id,
        count(*) filter (where is_error) as errors,
        arg_min(message, place) filter (where is_error) as first_error,
        list({
            'is_event': true,
            'has_code': error_code is not null,
            'place': place,
            'created_at': created_at,
            'message': message
        }) filter (where is_error) as problems,
        min(created_at) filter (where lifecycle = 'created') as created_at,
        min(created_at) filter (where lifecycle = 'training') as training_at,
        min(created_at) filter (where lifecycle = 'started') as started_at,
        bool_or(phase in ('created', 'validating', 'queued')) as is_from_start,
        arg_max(phase, place) filter (where phase is not null) as last_phase,
        max(place) filter (where phase in ('created', 'validating', 'queued', 'running'))
            as begun_at,
        max(place) filter (
            where phase is not null
            and lifecycle not in ('closing', 'billed')
            and not (lifecycle = 'moderation' and contains(message, ':ckpt-step-'))
        ) as going_on_at,
        max(place) filter (where outcome in ('succeeded', 'failed', 'cancelled')) as told_at,
        arg_max(outcome, place) filter (where outcome in ('succeeded', 'failed', 'cancelled'))
            as told_outcome,
        arg_max(message, place) filter (where outcome in ('succeeded', 'failed', 'cancelled'))
            as told_message,
        max(place) filter (where outcome in ('error', 'blocked')) as broken_at,
        arg_max(message, place) filter (where outcome in ('error', 'blocked')) as broken_message,
        coalesce(
            arg_max(made_model(message), place) filter (where lifecycle = 'model'),
            -- the checks of its checkpoints come last
            arg_max(nullif(regexp_extract(message, 'snapshot (\S*[A-Za-z0-9])', 1), ''), place)
                filter (where lifecycle = 'moderation' and not contains(message, ':ckpt-step-'))
        ) as model_id,
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

facts as (
    select
        counts.*,
        milestones.* exclude (job_id, created_at, errors, problems, model_id, training_file,
            validation_file, result_file),
        objects.* exclude (job_id, status, created_at, method, model_id, training_file,
            validation_file, result_file),
        coalesce(objects.created_at, milestones.created_at) as created_at,
        coalesce(milestones.errors, 0) as errors,
        list_concat(
            milestones.problems,
            case
                when objects.error_message is not null
                    then [{
                        'is_event': false,
                        'has_code': objects.error_code is not null,
                        'place': null,
                        'created_at': null,
                        'message': objects.error_message
                    }]
            end
        ) as problems,
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
)

select
    job_id,
    coalesce(
        dialect,
        case
            when regexp_full_match(job_id, 'ftjob-[0-9a-f]{32}') then 'azure'
            else 'openai'
        end
    ) as dialect,
    case
        when end_status is not null then end_status
        when coalesce(status_rank, 0) > seen_rank then object_status
        else seen_status
    end as status,
    case
        when end_status is not null then end_told_by
        when coalesce(status_rank, 0) > seen_rank then 'object'
        when seen_rank > 0 then 'events'
    end as status_told_by,
    -- of those that agree the object knows the time best, the events the words
    case
        when end_status is null then case when is_broken then broken_message end
        else coalesce(
            case when is_told and told_outcome = end_status then told_message end,
            case when is_object_final and object_status = end_status then error_message end
        )
    end as outcome_message,
    created_at,
    coalesce(
        training_at,
        started_at,
        first_step_begins(first_step, is_from_start)
    ) as started_at,
    case
        when end_status is null then case when is_broken then broken_at.a end
        else coalesce(
            case when is_object_final and object_status = end_status then finished_at end,
            case when is_told and told_outcome = end_status then told_at.a end,
            case when hook_status = end_status then hook_at end,
            case when is_broken and end_status = 'failed' then broken_at.a end
        )
    end as ended_at,
    seen_seconds,
    first_event_at,
    last_event_at,
    events,
    warnings,
    errors,
    first_error,
    problems,
    -- told of before its training, and of no step, checkpoint or what comes after the last one
    step_events = 0
    and last_phase <> 'finalising'
    and end_status is distinct from 'succeeded' as is_untrained,
    base_model,
    model_id,
    n_epochs,
    batch_size,
    learning_rate_multiplier,
    hyperparameters,
    seed,
    suffix,
    training_file,
    validation_file,
    result_file,
    trained_tokens,
    billed_tokens,
    error_code,
    error_param,
    error_message
from standings
;
