-- When did the last event happen that any dump told of?
--
-- Grain: created_at
-- Reads: lake_commits, lake_events
-- Caveat: one row, as commits note it. All events are asked only in a lake none of whose commits
--   does, made before it was noted: to read their times takes longer than the rest of a question
--   about one job.
create or replace view stg_last_event as
with noted as (
    select max(last_event_at) as noted_at
    from lake_commits
),

seen as (
    select max(events.created_at) as seen_at
    from lake_events as events
    inner join noted on noted.noted_at is null
)

select coalesce(noted.noted_at, seen.seen_at) as created_at
from noted
cross join seen
;
