-- Question: which rows of a contested identity go?
-- Grain:    one row per (source_id, position, offset)
-- Reads:    contested, replaced (source_id), disputed (job_id, event_id, digest, number),
--           ranked (number, place): 0 for the content that wins, 1 for those that are equal to it
--           in meaning, 2 for others
-- Caveat:   of contents equal in meaning the least in the letter stays, whichever came first; of
--           contents equal in the letter the row that the lake held, unless its source is to be
--           replaced. Events of one recorded body share their offset, those of two records on
--           lines of their own their position.
create or replace temp table losers as
with given as (
    select
        contested.*,
        coalesce(ranked.place, 0) as place,
        replaced.source_id is not null as is_replaced
    from contested
    left join disputed using (job_id, event_id, digest)
    left join ranked using (number)
    left join replaced on contested.source_id = replaced.source_id
)

select
    source_id,
    position,
    "offset",
    is_held,
    was_held,
    job_id,
    event_id,
    place,
    first_value({
        'source_id': source_id, 'position': position, 'offset': "offset", 'was_held': was_held
    }) over best_first as winner
from given
window best_first as (
    partition by job_id, event_id
    order by
        place, is_replaced, is_held desc, was_held desc, source_id, "offset", position
)
qualify row_number() over best_first > 1
