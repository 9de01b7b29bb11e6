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
    or ignored <> case
        when ignored_kinds = '{}' then 0
        else coalesce( -- the engine reads no half characters, of which kinds may have some
            list_sum(map_values(cast(try_cast(ignored_kinds as json) as map(varchar, bigint)))),
            ignored
        )
    end
    or least(records, events, companions, duplicates, rejects, ignored, blank) < 0
;
