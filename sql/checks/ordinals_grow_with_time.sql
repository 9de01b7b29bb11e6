-- An event's ordinal is its position, negated in streams that run from newest to oldest.
select
    events.job_id,
    events.event_id,
    events.stream_id,
    events.position,
    events.ordinal,
    streams.newest_first
from lake_events as events
inner join lake_streams as streams on events.stream_id = streams.stream_id
where events.ordinal <> case when streams.newest_first then -events.position else events.position end
;
