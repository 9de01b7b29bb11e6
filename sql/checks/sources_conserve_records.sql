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
    or least(records, events, companions, duplicates, rejects, ignored, blank) < 0
;
