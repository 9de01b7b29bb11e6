-- How did webhooks say that each job ended, and when?
--
-- Grain: job_id
-- Reads: lake_companions
-- Columns: job_id, status varchar, ended_at timestamptz
-- Caveat: of several the latest counts. The time is that of the webhook's event, some seconds after
--   the end; a body without one counts as the earliest.
-- Source: OpenAI API reference, webhook events fine_tuning.job.succeeded, .failed and .cancelled.
create or replace view stg_outcomes as
with outcomes as (
    select
        job_id,
        regexp_extract(json_extract_string(content, '$.type'), '[a-z]+$') as status,
        try_cast(json_extract(content, '$.created_at') as bigint) as told_at,
        {'a': coalesce(told_at, -1), 'b': content} as place
    from lake_companions
    where kind = 'outcome'
)

select
    job_id,
    arg_max(status, place) as status,
    to_timestamp(max(told_at)) as ended_at
from outcomes
group by job_id
;
