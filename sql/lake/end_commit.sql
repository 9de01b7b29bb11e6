-- Question: what does the lake hold after this commit?
-- Grain:    one row, the commit's own
-- Reads:    sources, segments
update commits
set
    sources = (select count(*) from sources),
    events = (
        select coalesce(sum(row_count), 0) from segments
        where kind = 'events' and removed_at is null
    ),
    rejects = (
        select coalesce(sum(row_count), 0) from segments
        where kind = 'rejects' and removed_at is null
    ),
    last_event_at = :last_event_at
where commit_id = :commit_id
