-- Question: which contents count as known, though the lake has no source of theirs?
-- Grain:    one row per content
-- Reads:    contents, sources (run by SQLite)
select contents.content_hash, contents.hint, contents.source_id
from contents
left join sources on contents.source_id = sources.source_id
where sources.source_id is null
order by contents.content_hash, contents.hint
