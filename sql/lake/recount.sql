-- Question: what became of a source's records, now that some are something else?
-- Grain:    one row per source
-- Reads:    sources
update sources
set
    records = records + :records,
    events = events + :events,
    companions = companions + :companions,
    duplicates = duplicates + :duplicates,
    rejects = rejects + :rejects
where source_id = :source_id
