-- Question: does a message of a staged file tell a step, as far as its beginning shows?
-- Grain:    one row
-- Reads:    staged (view over the file)
-- Caveat:   stg_metrics looks no further than where this is true. The case keeps the message out
--           of the scan's own conditions: there it would be tried on every row.
select
    exists (
        from staged
        where step is null and case when step is null then starts_with(message, 'Step ') end
    ) as speaks
