-- Every event lies inside the stream it names, in the same source, under the stream's job or its own.
select
    events.job_id,
    events.event_id,
    events.stream_id,
    events.source_id,
    events.position,
    streams.job_id as stream_job_id
from lake_events as events
left join lake_streams as streams on events.stream_id = streams.stream_id
where
    streams.stream_id is null
    or events.source_id <> streams.source_id
    -- an event that names its job in a field of its own may differ from its stream
    or (
        events.job_id <> streams.job_id
        and not coalesce(contains(events.extra, events.job_id), false)
    )
    or events.position not between streams.first_position and streams.last_position
;
