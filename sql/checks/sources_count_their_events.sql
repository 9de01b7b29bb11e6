-- Every source counts as many events and rejects as the lake holds from it.
with events as (
    select
        source_id,
        count(*) as events
    from lake_events
    group by source_id
),

rejects as (
    select
        source_id,
        count(*) as rejects
    from lake_rejects
    group by source_id
)

select
    coalesce(sources.source_id, events.source_id, rejects.source_id) as source_id,
    sources.events as counted_events,
    coalesce(events.events, 0) as held_events,
    sources.rejects as counted_rejects,
    coalesce(rejects.rejects, 0) as held_rejects
from lake_sources as sources
full join events on sources.source_id = events.source_id
full join rejects on coalesce(sources.source_id, events.source_id) = rejects.source_id
where
    sources.events is distinct from coalesce(events.events, 0)
    or sources.rejects is distinct from coalesce(rejects.rejects, 0)
;
