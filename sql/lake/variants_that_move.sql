-- Question: are there variants of events that go to another job?
-- Grain:    one row, or none
-- Reads:    variants, renaming (events), names (old: streams that go)
select 1
from variants
inner join renaming
    on variants.job_id = renaming.job_id and variants.event_id = renaming.event_id
inner join names on renaming.stream_id = names.old
limit 1
