-- Of every source, each record became exactly one of event, companion, duplicate, reject, ignored or blank.
select
    source_id,
    path,
    records,
    events,
    companions,
    duplicates,
    rejects,
    ignored,
    blank
from lake_sources
where
    records <> events + companions + duplicates + rejects + ignored + blank
    or ignored <> coalesce(
        list_sum(map_values(cast(cast(ignored_kinds as json) as map(varchar, bigint)))), 0
    )
    or least(records, events, companions, duplicates, rejects, ignored, blank) < 0
;
