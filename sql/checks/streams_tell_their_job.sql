-- Every stream says by a known way whose it is, and only unknown ones have stand-in names.
select
    stream_id,
    source_id,
    job_id,
    told_by
from lake_streams
where
    told_by not in ('flag', 'beside', 'creation', 'name', 'shared', 'assigned', 'unknown')
    or (told_by = 'unknown') <> starts_with(job_id, 'unattributed-')
;
