-- Which events move a job from one phase of its life to the next, or end it?
--
-- Grain: job_id, event_id
-- Order: job_id, created_at, lifecycle_rank, order_step, ordinal, event_id
-- Reads: stg_events
-- Caveat: steps and checkpoint messages are left out: Azure's step times are synthetic, and
--   OpenAI writes every checkpoint message when the job ends. Azure starts a job long before its
--   training, and may queue it for GPUs in between: such a job counts as queued until it trains.
-- The model that a message says was made, NULL where it says none.
create or replace macro made_model(message) as
nullif(regexp_extract(message, '(?:model created|Uploaded model): *(\S+)', 1), '');

-- When training began, by a job's first step, {at, step}, NULL where the dump may begin after that:
-- the newest page of events begins anywhere.
create or replace macro first_step_begins(first_step, is_from_start) as
case when is_from_start or first_step.step between 0 and 1 then first_step.at end;

create or replace view stg_milestones as
with milestones as (
    select
        job_id,
        event_id,
        created_at,
        lifecycle_rank,
        order_step,
        ordinal,
        message,
        dialect,
        lifecycle,
        lower(level) = 'error' as is_level_error,
        case when lifecycle = 'moderation' then blocks(message, data) else false end as is_blocked,
        case
            when is_level_error or lifecycle in ('failed', 'moderation')
                then try(json_extract_string(data, '$.error_code'))
        end as error_code,
        case
            when lifecycle in ('succeeded', 'failed', 'cancelled') then lifecycle
            when is_level_error then 'error'
            when is_blocked and not contains(message, ':ckpt-step-') then 'blocked'
        end as outcome,
        coalesce(bool_or(lifecycle in ('waiting', 'training')) over later, false) as is_to_train
    from stg_events
    where lifecycle not in ('step', 'checkpoint', 'other') or is_level_error
    window
        later as (
            partition by job_id
            order by created_at, lifecycle_rank, order_step, ordinal, event_id
            rows between 1 following and unbounded following
        )
)

select
    * exclude (is_to_train, is_blocked),
    is_level_error or lifecycle = 'failed' or coalesce(is_blocked, false) as is_error,
    case
        when lifecycle in ('created', 'validating', 'queued') then lifecycle
        when lifecycle = 'waiting' or (lifecycle = 'started' and is_to_train) then 'queued'
        when lifecycle in ('started', 'training', 'results') then 'running'
        when lifecycle in ('model', 'evaluating', 'moderation', 'enabled', 'uploaded')
            then 'finalising'
        when lifecycle = 'succeeded' and dialect = 'azure' then 'finalising'
        when lifecycle in ('closing', 'billed') then 'finalising'
    end as phase,
    {
        'a': created_at,
        'b': lifecycle_rank,
        'c': order_step,
        'd': ordinal,
        'e': event_id
    } as place
from milestones
;
