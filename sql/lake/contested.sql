-- Question: which rows give the events that were given more than once?
-- Grain:    one row per (job_id, event_id, source_id, position, offset) of a contested identity
-- Reads:    given (all rows), repeated (job_id, event_id)
-- Caveat:   rows of equal `digest` are equal to the letter; whether contents that differ in the
--           letter differ in meaning is decided in `identity.py`. No content is kept here: of
--           dumps that overlap there may be gigabytes. `misfits`, a list, keeps the engine from
--           gathering 2,048 rows behind the join, however long they are.
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
