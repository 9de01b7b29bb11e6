-- Question: how many records of a source are ignored, of which kinds, now that there are more?
-- Grain:    one row
-- Reads:    sources
update sources
set
    ignored = ignored + ?,
    ignored_kinds = ?
where source_id = ?
