-- Question: which contents count as known without a source, and which sources without a content?
-- Grain:    one row per content or source
-- Reads:    contents, sources (run by SQLite)
-- Caveat:   a source whose content does not count as known would be read once more, and counted so.
select
    'content ' || contents.content_hash || ' counts as known by source ' || contents.source_id
    || ', which is not there' as fault
from contents
left join sources on contents.source_id = sources.source_id
where sources.source_id is null

union all

select
    'source ' || sources.source_id || ' is there, and its content ' || sources.content_hash
    || ' does not count as known' as fault
from sources
left join contents
    on sources.source_id = contents.source_id
    and sources.content_hash = contents.content_hash
where contents.source_id is null

order by fault
