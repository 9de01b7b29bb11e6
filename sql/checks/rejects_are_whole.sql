-- Every reject holds all its bytes, or a prefix and the hash of the whole.
select
    source_id,
    position,
    byte_length,
    octet_length(raw) as held_bytes,
    raw_hash
from lake_rejects
where
    octet_length(raw) > byte_length
    or (octet_length(raw) < byte_length and raw_hash is null)
;
