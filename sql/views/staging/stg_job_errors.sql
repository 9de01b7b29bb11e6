-- Which errors did each job tell?
--
-- Grain: job_id
-- Reads: stg_milestones, stg_job_objects
-- Caveat: the job object's counts as one. Jobs without errors have no row. Which of them says why
--   the job failed, reason_of tells (stg_job_states).
create or replace view stg_job_errors as
with problems as (
    select
        job_id,
        true as is_event,
        error_code,
        place,
        created_at,
        message
    from stg_milestones
    where is_error

    union all

    select
        job_id,
        false as is_event,
        error_code,
        null as place,
        null as created_at,
        error_message as message
    from stg_job_objects
    where error_message is not null
)

select
    job_id,
    arg_min(message, place) as first_message,
    list({
        'is_event': is_event,
        'has_code': error_code is not null,
        'place': place,
        'created_at': created_at,
        'message': message
    }) as problems
from problems
group by job_id
;
