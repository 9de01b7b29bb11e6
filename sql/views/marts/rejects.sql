-- Which records could not be read as events, where are they, and why not?
--
-- Grain: source_id, position
-- Order: path, position, source_id
-- Reads: lake_rejects, lake_sources
-- Caveat: raw is untouched but for credentials, which are masked; of a record over the size limit
--   it is the beginning. raw_hash stands for the whole. `tunelog rejects --replay` tries them
--   again.
create or replace view rejects as
select
    rejects.source_id,
    sources.path,
    rejects.position,
    rejects.byte_offset,
    rejects.byte_length,
    rejects.reason,
    rejects.detail,
    rejects.raw,
    rejects.raw_hash,
    rejects.job_id,
    rejects.stream_id,
    rejects.first_seen_at
from lake_rejects as rejects
left join lake_sources as sources on rejects.source_id = sources.source_id
;

comment on view rejects is
    'Which records could not be read as events, where are they, and why not?';
comment on column rejects.source_id is 'the source [id]';
comment on column rejects.path is 'path of the source [path]';
comment on column rejects.position is 'ordinal of the record in its source, from 0 [record]';
comment on column rejects.byte_offset is
    'where the record begins in the decompressed source [byte]';
comment on column rejects.byte_length is 'length of the record [byte]';
comment on column rejects.reason is 'why it is no event, from a closed list [text]';
comment on column rejects.detail is 'what exactly is wrong [text]';
comment on column rejects.raw is 'the bytes of the record [byte]';
comment on column rejects.raw_hash is
    'hash of a record too long to keep whole, or kept without a credential, else NULL [hash]';
comment on column rejects.job_id is 'job of its stream, NULL where unknown [id]';
comment on column rejects.stream_id is 'the stream it stands in [id]';
comment on column rejects.first_seen_at is 'when it was first ingested [UTC]';
