-- Question: which records of a source belong to one job, and how was that told?
-- Grain:    one row per stream
-- Reads:    nothing
insert into streams (
    stream_id, source_id, first_position, last_position, newest_first, job_id, told_by
)
values (
    :stream_id, :source_id, :first_position, :last_position, :newest_first, :job_id, :told_by
)
on conflict (stream_id) do update set
    first_position = excluded.first_position,
    last_position = excluded.last_position,
    newest_first = excluded.newest_first,
    job_id = excluded.job_id,
    told_by = excluded.told_by
