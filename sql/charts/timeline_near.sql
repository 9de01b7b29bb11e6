-- What was logged in one job from one step to another, and what was said before an attempt that
-- begins there: it stands at the step that the attempt before had reached.
with told as (
    select
        *,
        coalesce(attempt, 0) as after_attempt,
        max(place) filter (where kind = 'metrics') over (partition by attempt) as last_metrics
    from timeline
    where job_id = $1
),

begins as (
    select
        attempt,
        arg_min(step, place) as step
    from told
    where attempt is not null
    group by attempt
)

select told.* exclude (after_attempt, last_metrics)
from told
left join begins on told.after_attempt + 1 = begins.attempt
where
    told.step between $2 and $3
    or (begins.step between $2 and $3 and coalesce(told.place > told.last_metrics, true))
order by told.place
