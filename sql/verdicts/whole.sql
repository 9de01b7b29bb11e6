-- Numbers the jobs of a connection: sorting by their ids as they are written is twice as slow. Not
-- where some jobs are asked for: the engine finds their rows by the ids as they are written.
create or replace type held_job as enum (
    select distinct job_id
    from (
        select job_id
        from lake_events

        union

        select job_id
        from lake_companions
    )
    order by job_id
)
;

alter view lake_events rename to written_events
;

create or replace view lake_events as
select * replace (job_id::held_job as job_id)
from written_events
;

alter view lake_companions rename to written_companions
;

create or replace view lake_companions as
select * replace (job_id::held_job as job_id)
from written_companions
;

create or replace macro lake_no_jobs() as table
select null::held_job as job_id
where false
;
