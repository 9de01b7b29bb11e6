-- What was logged beside the metrics of the jobs of `report_jobs`, with the step it was logged at.
--
-- Of a job with more than `report_messages` messages the errors and warnings come first, then those
-- nearest to its beginning and end.
--
-- Reads: timeline
with told as (
    select
        job_id,
        place,
        created_at,
        step as at_step,
        level,
        told_of(message) as message,
        case kind when 'error' then 2 when 'warning' then 1 else 0 end as severity,
        row_number() over in_time as from_begin,
        row_number() over back_in_time as from_end,
        count(*) over (partition by job_id) as messages,
        count(*) filter (where kind in ('error', 'warning')) over (partition by job_id) as grave
    from timeline
    where kind <> 'metrics' and list_contains(getvariable('report_jobs'), job_id)
    window
        in_time as (partition by job_id order by place),
        back_in_time as (partition by job_id order by place desc)
)

select
    job_id,
    created_at as "at",
    at_step,
    level,
    message,
    severity,
    messages,
    grave
from told
qualify row_number() over (
    partition by job_id
    order by severity = 0, least(from_begin, from_end), place
) <= getvariable('report_messages')
order by job_id, place
