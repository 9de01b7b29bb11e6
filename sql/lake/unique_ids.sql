-- Question: is an event's id unique everywhere, so that who holds it is of its job?
-- Grain:    a macro
-- Reads:    nothing
-- Caveat:   Azure writes a metrics event's time stamp twice as its id (its digits 2 to 16 are its
--           digits 17 to 31): two jobs can hold the same.
create or replace temp macro is_unique(event_id) as (
    regexp_full_match(event_id, 'ftevent-[A-Za-z0-9]{24}')
    or (
        regexp_full_match(event_id, 'ftevent-[0-9a-f]{32}')
        and event_id[10:24] <> event_id[25:39]
    )
)
