-- The latest commit counts as many sources, events and rejects as the lake holds.
with latest as (
    select *
    from lake_commits
    where commit_id = (select max(commit_id) from lake_commits)
),

held as (
    select
        (select count(*) from lake_sources) as sources,
        (select count(*) from lake_events) as events,
        (select count(*) from lake_rejects) as rejects
)

select
    latest.commit_id,
    latest.sources,
    held.sources as held_sources,
    latest.events,
    held.events as held_events,
    latest.rejects,
    held.rejects as held_rejects
from latest
cross join held
where
    latest.sources <> held.sources
    or latest.events <> held.events
    or latest.rejects <> held.rejects
;
