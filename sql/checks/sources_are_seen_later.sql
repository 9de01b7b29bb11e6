-- A source was seen by a later commit than brought it, if by any, and by one whose dump ends later.
select
    sources.source_id,
    sources.path,
    sources.commit_id,
    sources.seen_commit_id,
    brought.last_event_at as ended_at,
    seen.last_event_at as seen_until
from lake_sources as sources
left join lake_commits as brought on sources.commit_id = brought.commit_id
left join lake_commits as seen on sources.seen_commit_id = seen.commit_id
where
    sources.seen_commit_id <= sources.commit_id
    or (
        sources.seen_commit_id is not null
        and (seen.last_event_at is null or seen.last_event_at <= brought.last_event_at)
    )
;
