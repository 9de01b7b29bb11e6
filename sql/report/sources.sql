-- What was read into the lake, in one row.
--
-- Reads: sources
select
    count(*) as sources,
    coalesce(sum(records), 0)::bigint as records,
    coalesce(sum(events), 0)::bigint as events,
    coalesce(sum(duplicates), 0)::bigint as duplicates,
    coalesce(sum(rejects), 0)::bigint as rejects
from sources
