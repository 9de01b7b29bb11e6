-- Question: how long does a bare conversion take, without verdicts, jobs or a durable commit?
-- Grain:    one row per line of the source
-- Reads:    the file or glob in braces
-- Caveat:   columns are inferred; a key that comes late in `data` is lost silently.
copy (select * from read_json_auto('{source}'))
to '{target}' (format parquet, compression zstd)
