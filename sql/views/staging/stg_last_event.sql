-- When did the last event happen that any dump told of?
--
-- Grain: created_at
-- Reads: lake_commits, lake_events
-- Caveat: one row, as commits note it: each that brought events does, and an upgrade does for those
--   before it. Events are asked only where none does.
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
