-- Which of what was told of a job's steps was told more than once, or perhaps thrown away since?
--
-- Grain: job_id, event_id, step
-- Reads: stg_steps, stg_told
-- Caveat: an attempt that begins two steps or more before the end of the one before it, and trained
--   two up to that end, owns the curve from its first step on: of this step and later ones, all
--   that was told before it is thrown away (is_thrown_away). Steps count as they were told: 5 after
--   10, 20 and 30 is three back. begun_at is when the last such attempt began whose first step it
--   is, else NULL. All steps from the least such step on are here, others where told again.
--   Attempts are told here by metrics of training alone, those of payloads and those of messages
--   apart, and begin where the step falls. One of a single step, or one step back, may be metrics
--   that came late: it throws nothing away, and after a single step the next is measured against
--   the one before it. Rows of result files, without time, begin nothing and are never thrown away.
create or replace macro thrown_away(rerun, told_at, told_step) as
case
    when rerun is not null
        then len(list_filter(
            rerun, lambda one: one.step <= told_step and one.begun_at > told_at
        )) > 0
    else false
end
;

create or replace view stg_retold as
with jobs as (
    select
        job_id,
        list(step) as steps,
        list(created_at) as times,
        list(spoken) as voices
    from stg_steps
    group by job_id
),

in_time as (
    select
        *,
        in_order_of(times, steps) as ordered
    from jobs
),

-- where steps never fall, those told again stand side by side: told twice is all there is to say
suspects as (
    select
        job_id,
        unnest(if(falls, steps, again || again)) as step,
        unnest(if(falls, times, [])) as created_at,
        unnest(if(falls, voices, [])) as spoken
    from (
        select
            *,
            not is_in_order(ordered) as falls,
            if(falls, [], list_filter(ordered, lambda one, i: one = ordered[i - 1])) as again
        from in_time
    )
),

told as (
    select
        *,
        lag(step) over walk as step_before
    from suspects
    window walk as (partition by job_id, spoken order by created_at, step)
),

numbered as (
    select
        *,
        count(*) filter (where step < step_before) over (
            partition by job_id, spoken order by created_at, step
        ) as run
    from told
),

runs as (
    select
        job_id,
        spoken,
        run,
        min(created_at) as begun_at,
        min(step) as first_step,
        min(step) filter (where step > step_before) as second_step,
        max(step) as last_step,
        list(step) as steps,
        list_reverse_sort(list_distinct(steps))[2] as last_but_one
    from numbered
    group by job_id, spoken, run
),

followed as (
    select
        *,
        last_value(
            case when run = 0 or second_step is not null then runs end ignore nulls
        ) over (
            partition by job_id, spoken order by run
            rows between unbounded preceding and 1 preceding
        ) as prior
    from runs
),

steps as (
    select
        job_id,
        step,
        count(*) as times,
        max(begun_at) filter (
            where
                spoken is not null
                and step = first_step
                and first_step <= prior.last_but_one
                and second_step <= prior.last_step
        ) as begun_at
    from (
        select
            *,
            unnest(steps) as step
        from followed
    )
    group by job_id, step
),

repeated as (
    select
        *,
        max(begun_at) over (partition by job_id order by step) as owned_since
    from steps
    qualify times > 1 or owned_since is not null
)

select
    told.*,
    repeated.begun_at,
    coalesce(told.created_at < repeated.owned_since, false) as is_thrown_away
from stg_told as told
inner join repeated on told.job_id = repeated.job_id and told.step = repeated.step
;
