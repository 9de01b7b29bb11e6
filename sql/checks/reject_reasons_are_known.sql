-- Every reject has a reason of the closed list.
select
    source_id,
    position,
    reason
from lake_rejects
where
    reason not in (
        'invalid_utf8',
        'malformed_json',
        'cut_off',
        'too_deep',
        'too_large',
        'not_an_object',
        'unknown_object',
        'missing_field',
        'wrong_type',
        'bad_time',
        'lone_surrogate',
        'job_conflict',
        'corrupt_compression',
        'bad_row'
    )
;
