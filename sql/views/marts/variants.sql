-- Which events were seen with more than one content, and which content won?
--
-- Grain: job_id, event_id, content_hash
-- Reads: lake_variants, lake_events, lake_sources
-- Caveat: one row for each content that lost; the winner is the event in the lake. Absent, null
--   and {} count as equal, and so do 1 and 1.0.
create or replace view variants as
select
    variants.job_id,
    variants.event_id,
    variants.content_hash,
    variants.event,
    events.message as kept_message,
    events.data as kept_data,
    sources.path,
    variants.source_id,
    variants.position,
    variants."offset",
    variants.first_seen_at
from lake_variants as variants
left join lake_events as events
    on variants.job_id = events.job_id and variants.event_id = events.event_id
left join lake_sources as sources on variants.source_id = sources.source_id
;

comment on view variants is
    'Which events were seen with more than one content, and which content won?';
comment on column variants.job_id is 'fine-tuning job [id]';
comment on column variants.event_id is 'the event [id]';
comment on column variants.content_hash is 'hash of the content that lost [hash]';
comment on column variants.event is 'the content that lost, as JSON text [text]';
comment on column variants.kept_message is 'message of the content that won [text]';
comment on column variants.kept_data is 'payload of the content that won, as JSON text [text]';
comment on column variants.path is 'path of the source it was read from [path]';
comment on column variants.source_id is 'the source [id]';
comment on column variants.position is 'ordinal of the record in its source, from 0 [record]';
comment on column variants."offset" is 'where the record begins in the decompressed source [byte]';
comment on column variants.first_seen_at is 'when it was first ingested [UTC]';
