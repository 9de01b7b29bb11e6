-- Question: which rejects stay rejects?
-- Grain:    one row per reject
-- Reads:    rejected, passed
select rejected.*
from rejected
anti join passed using (source_id, position, byte_offset)
