-- Every source counts as many events, rejects and companions as the lake holds from it.
with held as (
    select source_id, 'events' as kind from lake_events
    union all
    select source_id, 'rejects' as kind from lake_rejects
    union all
    select source_id, 'companions' as kind from lake_companions
),

counted as (
    select
        source_id,
        count(*) filter (where kind = 'events') as events,
        count(*) filter (where kind = 'rejects') as rejects,
        count(*) filter (where kind = 'companions') as companions
    from held
    group by source_id
)

select
    coalesce(sources.source_id, counted.source_id) as source_id,
    sources.events as counted_events,
    coalesce(counted.events, 0) as held_events,
    sources.rejects as counted_rejects,
    coalesce(counted.rejects, 0) as held_rejects,
    sources.companions as counted_companions,
    coalesce(counted.companions, 0) as held_companions
from lake_sources as sources
full join counted on sources.source_id = counted.source_id
where
    sources.events is distinct from coalesce(counted.events, 0)
    or sources.rejects is distinct from coalesce(counted.rejects, 0)
    or sources.companions is distinct from coalesce(counted.companions, 0)
;
