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
    or ignored < coalesce( -- fewer kinds: the replays of earlier versions told none
        list_sum(map_values(cast(try_cast(ignored_kinds as json) as map(varchar, bigint)))),
        ignored -- the engine reads no half characters, of which kinds may have some
    )
    or least(records, events, companions, duplicates, rejects, ignored, blank) < 0
;
