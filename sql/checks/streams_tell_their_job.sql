-- Every stream with events says by a known way whose it is; only unknown ones have stand-in names.
select
    stream_id,
    source_id,
    job_id,
    told_by
from lake_streams
where
    told_by not in ('flag', 'export', 'beside', 'creation', 'name', 'shared', 'assigned', 'unknown')
    -- a stream without events has no job yet and stands for itself
    or (
        job_id <> stream_id
        and (told_by = 'unknown') <> starts_with(job_id, 'unattributed-')
    )
;
