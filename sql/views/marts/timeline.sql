-- What happened in a job, messages and metrics on one axis?
--
-- Grain: job_id, place
-- Reads: stg_events, stg_metrics, stg_restarts
-- Caveat: in the order of time of stg_events. A message takes the attempt and the step of the last
--   metrics before it, or the step of the last training loss or reward where that is greater, as
--   after an evaluation of an earlier step, so that both can be looked up around a step; a
--   checkpoint message keeps the step it tells, though OpenAI writes it when the job ends. The
--   numbers are those of the event, read from its message where it has no payload. Azure's step
--   times are synthetic.
create or replace view timeline as
with told as (
    select
        events.job_id,
        events.event_id,
        events.created_at,
        events.lifecycle_rank,
        events.order_step,
        events.ordinal,
        events.level,
        events.lifecycle,
        events.message,
        events.synthetic_time,
        coalesce(events.step, spoken.step) as metrics_step,
        case
            when metrics_step is not null
                then attempt_at(
                    restarts.places,
                    events.created_at,
                    coalesce(events.step, spoken.step),
                    events.ordinal,
                    events.event_id
                )
        end as attempt,
        if(events.step is null, spoken.train_loss, events.train_loss) as train_loss,
        if(events.step is null, spoken.valid_loss, events.valid_loss) as valid_loss,
        if(events.step is null, spoken.full_valid_loss, events.full_valid_loss) as full_valid_loss,
        if(events.step is null, spoken.train_mean_reward, events.train_mean_reward)
            as train_mean_reward,
        if(events.step is null, spoken.valid_mean_reward, events.valid_mean_reward)
            as valid_mean_reward,
        if(events.step is null, spoken.full_valid_mean_reward, events.full_valid_mean_reward)
            as full_valid_mean_reward,
        case
            when lower(events.level) = 'error' or events.lifecycle = 'failed' then 'error'
            when events.lifecycle = 'moderation'
                then if(blocks(events.message, events.data), 'error', 'moderation')
            when lower(events.level) in ('warn', 'warning') then 'warning'
            when events.lifecycle = 'checkpoint' then 'checkpoint'
            when metrics_step is not null then 'metrics'
            else 'message'
        end as kind
    from stg_events as events
    left join stg_restarts as restarts on events.job_id = restarts.job_id
    left join (from stg_metrics where from_message) as spoken
        on events.job_id = spoken.job_id and events.event_id = spoken.event_id
)

select
    job_id,
    row_number() over in_time as place,
    created_at,
    epoch(created_at) - epoch(first_value(created_at) over in_time) as seconds,
    kind,
    coalesce(
        metrics_step,
        case when kind = 'checkpoint' then nullif(order_step, -1) end,
        greatest(
            last_value(metrics_step ignore nulls) over in_time,
            -- an evaluation told late is of an earlier step
            last_value(
                if(coalesce(train_loss, train_mean_reward) is null, null, metrics_step)
                ignore nulls
            ) over in_time
        )
    ) as step,
    last_value(attempt ignore nulls) over in_time as attempt,
    level,
    message,
    train_loss,
    valid_loss,
    full_valid_loss,
    train_mean_reward,
    valid_mean_reward,
    full_valid_mean_reward,
    lifecycle,
    synthetic_time,
    event_id
from told
window
    in_time as (
        partition by job_id
        order by created_at, lifecycle_rank, order_step, ordinal, event_id
        rows between unbounded preceding and current row
    )
;

comment on view timeline is 'What happened in a job, messages and metrics on one axis?';
comment on column timeline.job_id is 'fine-tuning job [id]';
comment on column timeline.place is 'place of the event in its job, from 1 [1]';
comment on column timeline.created_at is 'when the event happened [UTC]';
comment on column timeline.seconds is 'since the first event of the job [s]';
comment on column timeline.kind is
    'error, warning, moderation, checkpoint, metrics or message [text]';
comment on column timeline.step is
    'its own step, else that which training had reached; NULL before any metrics [step]';
comment on column timeline.attempt is
    'attempt of these metrics, as in attempts; NULL before any [1]';
comment on column timeline.level is 'level as sent [text]';
comment on column timeline.message is 'the text of the event [text]';
comment on column timeline.train_loss is 'mean training loss of the step''s batch [1]';
comment on column timeline.valid_loss is 'loss on a sample of the validation set [1]';
comment on column timeline.full_valid_loss is 'loss on the whole validation set [1]';
comment on column timeline.train_mean_reward is 'mean reward of the step''s training samples [1]';
comment on column timeline.valid_mean_reward is
    'mean reward on a sample of the validation set [1]';
comment on column timeline.full_valid_mean_reward is
    'mean reward on the whole validation set [1]';
comment on column timeline.lifecycle is 'what the message means for the job [text]';
comment on column timeline.synthetic_time is
    'true where the time is counted up instead of measured [bool]';
comment on column timeline.event_id is 'the event [id]';
