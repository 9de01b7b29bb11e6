-- Question: which variants does the lake not have yet, or in a greater text only?
-- Grain:    one row per (job_id, event_id, content_hash)
-- Reads:    told, held_variants
-- Caveat:   the least text of a content stays, whichever came first.
create or replace temp table new_variants as
select
    told.job_id,
    told.event_id,
    told.content_hash
from told
anti join held_variants as held
    on told.job_id = held.job_id
    and told.event_id = held.event_id
    and told.content_hash = held.content_hash
    and held.event <= told.event
