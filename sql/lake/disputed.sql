-- Question: which contents does one identity have, where it has more than one?
-- Grain:    one row per (job_id, event_id, digest)
-- Reads:    contested
-- Caveat:   with the place of the first row that tells the content. `number` counts these, `page`
--           identities by the bytes of their contents, so that some megabytes are looked at at once.
create or replace temp table disputed as
with several as (
    select job_id, event_id
    from contested
    group by all
    having min(digest) < max(digest)
),

first_rows as (
    select contested.*
    from contested
    semi join several using (job_id, event_id)
    qualify
        row_number() over (
            partition by job_id, event_id, digest order by source_id, position, "offset", is_held
        ) = 1
)

select
    *,
    row_number() over () as number,
    sum(bytes + 300) over (order by job_id, event_id) // $page_bytes as page
from first_rows
