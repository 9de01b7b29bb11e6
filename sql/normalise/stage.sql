-- Question: which of the records are regular events, as a segment?
-- Grain:    one row per regular record
-- Reads:    regular.sql
-- Caveat:   row groups are a quarter of those of segments.py: larger ones take longer to write.
--           Of long records they hold fewer: each thread gathers one, and writes it twice over.
--           A column of more different words is written as it is: to find that out late costs
--           more than a dictionary of so many saves.
copy (
{regular}
) to {target} (
    format parquet,
    parquet_version v2,
    compression zstd,
    compression_level 1,
    row_group_size 30720,
    row_group_size_bytes '24MB',
    dictionary_size_limit 1000
)
