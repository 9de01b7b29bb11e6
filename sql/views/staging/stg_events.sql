-- What does each event mean in the life of its job, and where does it stand in the order of time?
--
-- Grain: job_id, event_id
-- Order: job_id, created_at, lifecycle_rank, order_step, ordinal, event_id
-- Reads: lake_events
-- Caveat: the one place of the order in time: (created_at, lifecycle_rank, order_step, ordinal,
--   event_id). Time stamps have whole seconds, so the rank and the step tell neighbours apart
--   before the order of the dump does. Messages are told by their beginnings; an unknown one
--   ranks with the steps, an unknown error just before the outcome.
-- Source: OpenAI API reference, FineTuningJobEvent; messages as seen in public dumps; Microsoft
--   Learn, Azure OpenAI safety evaluation for fine-tuning: what a model is told that fails it.
-- Whether a moderation check blocked its model: by its payload, else by its words; NULL where
-- neither tells.
create or replace macro blocks(message, data) as
coalesce(
    try_cast(try(json_extract_string(data, '$.blocked')) as boolean),
    case regexp_extract(message, '\s(passed|failed|blocked|unable to be deployed)\b', 1)
        when 'passed' then false
        when 'failed' then true
        when 'blocked' then true
        when 'unable to be deployed' then true
    end
);

create or replace view stg_events as
with told as (
    select
        *,
        case
            when starts_with(message, 'Step ') then 'step'
            when starts_with(message, 'Checkpoint created') then 'checkpoint'
            when
                type = 'moderation_checks'
                or starts_with(message, 'Moderation checks for')
                or starts_with(message, 'This model is unable to be deployed')
                then 'moderation'
            when type = 'metrics' or step is not null then 'step'
            when starts_with(message, 'Created fine-tun') then 'created'
            when starts_with(message, 'Job enqueued') then 'created'
            when starts_with(message, 'Validating training file') then 'validating'
            when starts_with(message, 'Preprocessing ') then 'validating'
            when starts_with(message, 'Files validated') then 'queued'
            when starts_with(message, 'Fine-tune costs') then 'queued'
            when starts_with(message, 'Fine-tune enqueued') then 'queued'
            when starts_with(message, 'Fine-tuning job started') then 'started'
            when starts_with(message, 'Fine tuning job started') then 'started'
            when starts_with(message, 'Fine-tune started') then 'started'
            when starts_with(message, 'Job started') then 'started'
            when starts_with(message, 'Data Import started') then 'started'
            when starts_with(message, 'Finetuning started') then 'started'
            when starts_with(message, 'Job queued') then 'waiting'
            when starts_with(message, 'Training started') then 'training'
            when starts_with(message, 'Created results file') then 'results'
            when starts_with(message, 'Completed epoch') then 'step'
            when starts_with(message, 'New fine-tuned model created') then 'model'
            when starts_with(message, 'Uploaded model') then 'model'
            when starts_with(message, 'Evaluating model against') then 'evaluating'
            when starts_with(message, 'Usage policy evaluations completed') then 'enabled'
            when starts_with(message, 'Uploaded result file') then 'uploaded'
            when starts_with(message, 'The job has successfully completed') then 'succeeded'
            when starts_with(message, 'Fine-tuning job successfully completed') then 'succeeded'
            when starts_with(message, 'Fine-tune succeeded') then 'succeeded'
            when starts_with(message, 'Job succeeded') then 'succeeded'
            when starts_with(message, 'The job failed') then 'failed'
            when starts_with(message, 'Fine-tuning job failed') then 'failed'
            when starts_with(message, 'Fine-tune failed') then 'failed'
            when starts_with(message, 'Job failed') then 'failed'
            when starts_with(message, 'The job was stopped due to a cancel') then 'cancelled'
            when starts_with(message, 'Fine tuning process stopping due to job cancel')
                then 'cancelled'
            when starts_with(message, 'Fine-tune cancel') then 'cancelled'
            when starts_with(message, 'Job cancel') then 'cancelled'
            when starts_with(message, 'Postprocessing started') then 'closing'
            when starts_with(message, 'Model Evaluation') then 'closing'
            when starts_with(message, 'Completed results file') then 'closing'
            when starts_with(message, 'Training tokens billed') then 'billed'
            when starts_with(message, 'Training hours billed') then 'billed'
            when lower(level) = 'error' then 'error'
            else 'other'
        end as lifecycle
    from lake_events
)

select
    *,
    case lifecycle
        when 'step' then 8
        when 'other' then 8
        when 'created' then 1
        when 'validating' then 2
        when 'queued' then 3
        when 'started' then 4
        when 'waiting' then 5
        when 'training' then 6
        when 'results' then 7
        when 'checkpoint' then 9
        when 'model' then 10
        when 'evaluating' then 11
        when 'moderation' then 12
        when 'enabled' then 13
        when 'uploaded' then 14
        when 'error' then 15
        when 'closing' then 17
        when 'billed' then 18
        else 16 -- the outcome: succeeded, failed, cancelled
    end as lifecycle_rank,
    coalesce(
        step,
        case
            when lifecycle in ('step', 'checkpoint')
                then try_cast(
                    regexp_extract(message, '(?:^Step |at step )([0-9]{1,15})\b', 1) as bigint
                )
        end,
        -1
    ) as order_step,
    dialect = 'azure' and lifecycle = 'step' as synthetic_time
from told
;
