-- Question: which rows of some identities lost to another content, and what did they say?
-- Grain:    one row per (source_id, position, offset)
-- Reads:    losers, disputed, ranked
-- Caveat:   of the identities numbered from $first to below $end.
select
    disputed.* exclude (number, digest),
    ranked.content_hash,
    losers.source_id,
    losers.position,
    losers."offset"
from losers
inner join disputed using (job_id, event_id, same)
inner join ranked using (job_id, event_id, same)
where losers.place > 0 and disputed.number >= $first and disputed.number < $end
order by
    job_id,
    event_id,
    same,
    losers.source_id,
    losers.position,
    losers."offset"
