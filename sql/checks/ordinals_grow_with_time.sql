-- An event's ordinal is its position, negated in streams that run from newest to oldest; of events
-- that share one record, so one position, it is their place in that record.
select
    events.job_id,
    events.event_id,
    events.stream_id,
    events.position,
    events.ordinal,
    streams.newest_first
from lake_events as events
inner join lake_streams as streams on events.stream_id = streams.stream_id
where
    case when streams.newest_first then events.ordinal > 0 else events.ordinal < 0 end
    or (abs(events.ordinal) <> events.position and streams.first_position < streams.last_position)
;
