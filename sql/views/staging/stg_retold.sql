-- Which of what was told of a job's steps was told of a step that was told more than once?
--
-- Grain: job_id, event_id, step
-- Reads: stg_told
-- Caveat: is_again marks an event that gives a metric of training which an earlier one gave for
--   that step, both by payloads or both by messages: that an evaluation is told twice tells of no
--   training. thrown_away tells of what was told at a place in time
--   whether training started over below it since then and has not come so far again: whether of
--   the steps given again (again: their numbers and places, first_again the least, last_again_at
--   the latest of them) two up to it at least were so afterwards. A metric that comes late or
--   twice throws nothing away.
create or replace macro thrown_away(
    first_again, last_again_at, again, told_at, told_step, told_ordinal, told_id
) as
-- few can be thrown away: the case keeps all others from a look at the list
case
    when told_at <= last_again_at and told_step >= first_again
        then
            list_unique([
                one.step for one in again
                if one.step <= told_step
                and one.place > {
                    'created_at': told_at,
                    'step': told_step,
                    'ordinal': told_ordinal,
                    'event_id': told_id
                }
            ]) > 1
    else false
end
;

create or replace view stg_retold as
with repeated as (
    select
        job_id,
        step
    from stg_told
    group by job_id, step
    having count(*) > 1
)

select
    told.*,
    {
        'created_at': told.created_at,
        'step': told.step,
        'ordinal': told.ordinal,
        'event_id': told.event_id
    } as place,
    coalesce(
        bit_or(told.metrics_given) over before & given_by_training(told.metrics_given), 0
    ) != 0 as is_again
from stg_told as told
inner join repeated on told.job_id = repeated.job_id and told.step = repeated.step
window
    before as (
        partition by told.job_id, told.step
        order by told.created_at, told.ordinal, told.event_id
        rows between unbounded preceding and 1 preceding
    )
;
