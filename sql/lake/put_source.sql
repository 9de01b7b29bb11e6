-- Question: what was read, from where, and what became of its records?
-- Grain:    one row per source
-- Reads:    nothing
insert into sources (
    source_id, path, content_hash, byte_count, form, compression, job_hint, records, events,
    duplicates, rejects, ignored, blank, ignored_kinds, companions, commit_id,
    ingested_at
)
values (
    :source_id, :path, :content_hash, :bytes, :form, :compression, :job_hint, :records, :events,
    :duplicates, :rejects, :ignored, :blank, :ignored_kinds, :companions,
    :commit_id, :ingested_at
)
on conflict (source_id) do update set
    path = excluded.path,
    content_hash = excluded.content_hash,
    byte_count = excluded.byte_count,
    records = excluded.records,
    events = excluded.events,
    duplicates = excluded.duplicates,
    rejects = excluded.rejects,
    ignored = excluded.ignored,
    blank = excluded.blank,
    ignored_kinds = excluded.ignored_kinds,
    companions = excluded.companions,
    commit_id = excluded.commit_id,
    ingested_at = excluded.ingested_at,
    seen_commit_id = null -- it was its earlier self that was seen
