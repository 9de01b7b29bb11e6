-- What was read from where, and what became of each record?
--
-- Grain: source_id
-- Order: commit_id, path, source_id
-- Reads: lake_sources, lake_streams
-- Caveat: records = events + companions + duplicates + rejects + ignored + blank, as of now. A file
--   that grew stands for its earlier self too.
create or replace view sources as
with streams as (
    select
        source_id,
        count(*) as streams,
        count(distinct job_id) filter (where job_id <> stream_id) as jobs
    from lake_streams
    group by source_id
)

select
    sources.source_id,
    sources.path,
    sources.form,
    sources.compression,
    sources.bytes,
    sources.records,
    sources.events,
    sources.companions,
    sources.duplicates,
    sources.rejects,
    sources.ignored,
    sources.blank,
    sources.ignored_kinds,
    coalesce(streams.streams, 0) as streams,
    coalesce(streams.jobs, 0) as jobs,
    sources.job_hint,
    sources.content_hash,
    sources.commit_id,
    sources.ingested_at
from lake_sources as sources
left join streams on sources.source_id = streams.source_id
;

comment on view sources is 'What was read from where, and what became of each record?';
comment on column sources.source_id is 'the source: a file, or standard input [id]';
comment on column sources.path is 'where it was read from [path]';
comment on column sources.form is 'form its content was recognised as [text]';
comment on column sources.compression is 'how it is compressed [text]';
comment on column sources.bytes is 'size as it lies on disk [byte]';
comment on column sources.records is 'records read [record]';
comment on column sources.events is 'events the source brought to the lake [record]';
comment on column sources.companions is
    'what the source told of jobs beside their events: objects, webhooks, result rows [record]';
comment on column sources.duplicates is 'what the lake had already [record]';
comment on column sources.rejects is 'records that are no event [record]';
comment on column sources.ignored is 'well-formed objects that are something else [record]';
comment on column sources.blank is 'blank lines [record]';
comment on column sources.ignored_kinds is
    'what the ignored records are, as JSON: kind to count [text]';
comment on column sources.streams is 'streams in the source [stream]';
comment on column sources.jobs is 'different jobs of its streams [job]';
comment on column sources.job_hint is 'job given with the source, NULL where none was [id]';
comment on column sources.content_hash is 'hash of the content [hash]';
comment on column sources.commit_id is 'commit that brought the source [id]';
comment on column sources.ingested_at is 'when it was ingested [UTC]';
