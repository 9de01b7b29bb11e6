-- Question: which events were given more than once, and by which rows?
-- Grain:    one row per (job_id, event_id, source_id, position, offset) of a contested identity
-- Reads:    fresh (rows read now), renamed (rows of the lake, staged under another job),
--           held (live rows of the same jobs), moved (those that go to other jobs)
-- Caveat:   rows of equal `digest` are equal to the letter; whether contents that differ in the
--           letter differ in meaning is decided in `identity.py`. No content is kept here: of
--           dumps that overlap there may be gigabytes. `misfits`, a list, keeps the engine from
--           gathering 2,048 rows behind the join, however long they are.
create or replace temp view given as
select *, false as is_held, false as was_held from fresh
union all by name
select *, false as is_held, true as was_held from renamed
union all by name
select *, true as is_held, true as was_held
from held
anti join moved using (source_id, position, "offset");

create or replace temp table repeated as
select job_id, event_id
from given
group by all
having count(*) > 1 and bool_or(not is_held);

create or replace temp table contested as
with told as (
    select
        given.job_id,
        given.event_id,
        given.source_id,
        given.position,
        given."offset",
        given.is_held,
        given.was_held,
        to_json({
            'created_at': epoch_us(given.created_at), 'level': given.level, 'type': given.type,
            'message': given.message, 'object': given.object, 'data': given.data,
            'extra': given.extra, 'misfits': given.misfits
        })::varchar as content
    from given
    inner join repeated using (job_id, event_id)
)

select
    * exclude (content),
    md5_number(content) as digest,
    strlen(content) as bytes
from told
