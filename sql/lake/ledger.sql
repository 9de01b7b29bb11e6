-- Question: what is in the lake? The only truth about it: what it does not name is garbage.
-- Grain:    see each table
-- Reads:    nothing (run by SQLite when a lake is made)
create table meta (
    key text primary key,
    value text not null
) strict;

-- one row per commit
create table commits (
    commit_id integer primary key,
    committed_at text not null,
    command text not null,
    sources integer not null,
    events integer not null,
    rejects integer not null,
    last_event_at text -- of what an ingest read
) strict;

-- one row per Parquet file that was ever live: live while removed_at is null
create table segments (
    name text primary key,
    kind text not null,
    row_count integer not null,
    byte_count integer not null,
    commit_id integer not null references commits,
    removed_at text,
    speaks integer -- of events: 0 where no message tells a step, null where nobody looked
) strict;
create index segments_live on segments (kind) where removed_at is null;

-- one row per job in an events segment
create table segment_jobs (
    job_id text not null,
    name text not null references segments,
    row_count integer not null,
    primary key (job_id, name)
) strict, without rowid;
create index segment_jobs_name on segment_jobs (name);

-- one row per source
create table sources (
    source_id text primary key,
    path text not null,
    content_hash text not null,
    byte_count integer not null,
    form text not null,
    compression text not null,
    job_hint text,
    records integer not null,
    events integer not null,
    duplicates integer not null,
    rejects integer not null,
    ignored integer not null,
    blank integer not null,
    ignored_kinds text not null,
    companions integer not null default 0,
    commit_id integer not null references commits,
    ingested_at text not null,
    seen_commit_id integer references commits -- the later ingest that passed over it, of several
    -- the one whose dump ends last
) strict;
create index sources_path on sources (path);

-- one row per content that was read under a hint: what makes a source known
create table contents (
    content_hash text not null,
    hint text not null,
    reader_version integer not null,
    source_id text not null,
    primary key (content_hash, hint, reader_version)
) strict, without rowid;

-- one row per stream
create table streams (
    stream_id text primary key,
    source_id text not null references sources,
    first_position integer not null,
    last_position integer not null,
    newest_first integer not null,
    job_id text not null,
    told_by text not null
) strict, without rowid;
create index streams_source on streams (source_id);
create index streams_job on streams (job_id);
