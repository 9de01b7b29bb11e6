-- Which events have no known job, and in which source do they lie?
--
-- Grain: job_id, event_id
-- Order: path, position, job_id, event_id
-- Reads: lake_events, lake_sources
-- Caveat: `tunelog assign SOURCE JOB` gives them their job.
create or replace view unattributed_events as
select
    events.job_id,
    events.event_id,
    sources.path,
    events.source_id,
    events.stream_id,
    events.position,
    events.created_at,
    events.level,
    events.type,
    events.step,
    events.message
from lake_events as events
left join lake_sources as sources on events.source_id = sources.source_id
where starts_with(events.job_id, 'unattributed-')
;

comment on view unattributed_events is
    'Which events have no known job, and in which source do they lie?';
comment on column unattributed_events.job_id is 'stand-in made from the stream''s content [id]';
comment on column unattributed_events.event_id is 'the event [id]';
comment on column unattributed_events.path is 'path of the source it was read from [path]';
comment on column unattributed_events.source_id is 'the source [id]';
comment on column unattributed_events.stream_id is 'the stream within the source [id]';
comment on column unattributed_events.position is
    'ordinal of the record in its source, from 0 [record]';
comment on column unattributed_events.created_at is 'when the event happened [UTC]';
comment on column unattributed_events.level is 'level as sent [text]';
comment on column unattributed_events.type is 'type of the event, NULL where it has none [text]';
comment on column unattributed_events.step is 'training step, NULL where it has none [step]';
comment on column unattributed_events.message is 'the text of the event [text]';
