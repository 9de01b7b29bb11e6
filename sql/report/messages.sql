-- What was logged beside the steps, each message with the step that was logged last before it.
--
-- Of a job with more than `report_messages` messages the errors and warnings come first, then those
-- nearest to its beginning and end. The messages of ordinary steps only repeat the curve's numbers.
--
-- Reads: stg_events, errors
with placed as (
    select
        events.job_id,
        events.created_at,
        events.level,
        events.message,
        events.lifecycle,
        errors.event_id is not null as is_error,
        lower(events.level) in ('warn', 'warning') as is_warning,
        case
            when events.lifecycle = 'checkpoint' and events.order_step >= 0 then events.order_step
            else last_value(nullif(case when events.lifecycle = 'step' then events.order_step end, -1)
                ignore nulls) over in_time
        end as at_step,
        row_number() over in_time as place
    from stg_events as events
    left join errors on events.job_id = errors.job_id and events.event_id = errors.event_id
    where list_contains(getvariable('report_jobs'), events.job_id)
    window
        in_time as (
            partition by events.job_id
            order by
                events.created_at,
                events.lifecycle_rank,
                events.order_step,
                events.ordinal,
                events.event_id
        )
),

told as (
    select
        *,
        row_number() over in_time as from_begin,
        row_number() over back_in_time as from_end,
        count(*) over (partition by job_id) as messages
    from placed
    where lifecycle <> 'step' or level <> 'info' or is_error
    window
        in_time as (partition by job_id order by place),
        back_in_time as (partition by job_id order by place desc)
),

chosen as (
    select *
    from told
    qualify row_number() over (
        partition by job_id
        order by not (is_error or is_warning), least(from_begin, from_end), place
    ) <= getvariable('report_messages')
)

select
    job_id,
    epoch(created_at)::bigint as "at",
    at_step,
    level,
    case
        when length(message) > getvariable('report_message_length')
            then message[:getvariable('report_message_length')] || '…'
        else message
    end as message,
    case when is_error then 2 when is_warning then 1 else 0 end as severity,
    messages
from chosen
order by job_id, place
