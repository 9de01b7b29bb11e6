-- Question: how many records of each source took the place of what the lake held?
-- Grain:    one row per source_id
-- Reads:    losers
-- Caveat:   a record that took the place of several counts once; one that lost itself, as an
--           event of another job, not at all.
with places as (
    select distinct
        winner.source_id as source_id,
        winner.position as position,
        winner."offset" as "offset"
    from losers
    where was_held and not winner.was_held
)

select
    source_id,
    count(*) as records
from places
anti join losers using (source_id, position, "offset")
group by source_id
