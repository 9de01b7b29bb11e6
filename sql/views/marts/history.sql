-- Which commits made the lake what it is, and what did each change?
--
-- Grain: commit_id
-- Reads: lake_commits
-- Caveat: counts are those of the lake after the commit. A change can be negative: a better copy of
--   an event takes the place of another, a reject becomes an event. Compaction changes none.
create or replace view history as
select
    commit_id,
    committed_at,
    command,
    sources,
    events,
    rejects,
    sources - coalesce(lag(sources) over in_order, 0) as sources_change,
    events - coalesce(lag(events) over in_order, 0) as events_change,
    rejects - coalesce(lag(rejects) over in_order, 0) as rejects_change
from lake_commits
window in_order as (order by commit_id)
;

comment on view history is 'Which commits made the lake what it is, and what did each change?';
comment on column history.commit_id is 'the commit; later ones have greater ids [id]';
comment on column history.committed_at is 'when it was made [UTC]';
comment on column history.command is
    'what made it: ingest, assign with source and job, replay, compact, upgrade [text]';
comment on column history.sources is 'sources in the lake after it [source]';
comment on column history.events is 'events in the lake after it [record]';
comment on column history.rejects is 'rejects in the lake after it [record]';
comment on column history.sources_change is 'sources it brought [source]';
comment on column history.events_change is 'events it brought, less those it took out [record]';
comment on column history.rejects_change is 'rejects it brought, less those it took out [record]';
