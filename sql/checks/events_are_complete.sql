-- Every event has a job, an id, a time between 1970 and 9999, a level, a message and its place.
select
    job_id,
    event_id,
    source_id,
    position
from lake_events
where
    job_id is null
    or event_id is null
    or created_at is null
    or created_at < '1970-01-01 00:00:00+00'::timestamptz
    or created_at > '9999-12-31 23:59:59+00'::timestamptz
    or level is null
    or message is null
    or stream_id is null
    or source_id is null
    or position < 0
    or "offset" < 0
    or ordinal is null
;
