-- How fast does each job train, and when will those still running be done?
--
-- Grain: job_id
-- Reads: stg_job_states, stg_step_times, stg_dumps, stg_last_event, loss_curves, thresholds
-- Caveat: by the times between the first events of neighbouring logged steps where the step rises,
--   so that a restart counts as none; pauses count. Time stamps have whole seconds: the median is
--   rough where steps are quick. recent is over the last tenth of these, ten at least, without
--   pauses, gaps that take 20 usual ones and a minute more than their steps do. What paused once or
--   twice is no pace; of more (evaluations, checkpoints) each step bears its share. The end is told
--   for running jobs with known total_steps, at the recent pace, against the last event of the
--   job's last dump (stg_dumps), never the clock. Azure's step times are synthetic
--   (has_synthetic_times): nothing is told by them.
create or replace view throughput as
with limits as (
    select value as ratio
    from thresholds
    where detector = 'stalls' and threshold = 'ratio'
),

told as (
    select
        job_id,
        list_filter(told, lambda one: one.step >= 0) as told
    from stg_step_times
),

begun as (
    select
        job_id,
        first_events(told) as marks
    from told
    where len(told) > 0
),

timed as (
    select
        job_id,
        marks[-1].created_at as last_step_at,
        list_bool_or(list_transform(marks, lambda one: one.is_synthetic)) as has_synthetic_times,
        list_filter(
            list_transform(marks[2:], lambda one, place: {
                'steps': one.step - marks[place].step,
                'seconds': epoch(one.created_at) - epoch(marks[place].created_at),
                'is_synthetic': one.is_synthetic
            }),
            lambda gap: gap.steps > 0 and not gap.is_synthetic
        ) as gaps,
        nullif(len(gaps), 0) as timed_gaps,
        list_sum([gap.steps for gap in gaps]) as timed_steps,
        list_sum([gap.seconds for gap in gaps]) as timed_seconds,
        list_median([gap.seconds / gap.steps for gap in gaps]) as median_seconds_per_step
    from begun
),

weighed as (
    select
        timed.*,
        greatest(limits.ratio * list_median([gap.seconds for gap in gaps]), 60) as longest,
        [
            {
                'steps': gap.steps,
                'seconds': gap.seconds,
                'pause': gap.seconds - gap.steps * median_seconds_per_step
            } for gap in gaps
        ] as weighed_gaps
    from timed
    cross join limits
),

recents as (
    select
        *,
        [gap.pause for gap in weighed_gaps if gap.pause > longest] as pauses,
        weighed_gaps[-greatest(10, timed_gaps // 10):] as latest,
        nullif([gap for gap in latest if gap.pause <= longest], []) as unpaused,
        coalesce(unpaused, latest) as recent
    from weighed
),

paces as (
    select
        *,
        timed_steps / nullif(timed_seconds, 0) as steps_per_second,
        timed_seconds / timed_steps as seconds_per_step,
        list_sum([gap.seconds for gap in recent]) / list_sum([gap.steps for gap in recent])
        + case
            when len(pauses) > 2 and unpaused is not null then list_sum(pauses) / timed_steps
            else 0
        end as recent_seconds_per_step
    from recents
),

curves as (
    select
        job_id,
        min(step) filter (
            where coalesce(train_loss, train_mean_token_accuracy, train_mean_reward) is not null
        ) as first_step,
        max(step) as last_step,
        arg_max(total_steps, step) as total_steps,
        avg(reasoning_tokens_mean) filter (where isfinite(reasoning_tokens_mean))
            as reasoning_tokens,
        avg(completion_tokens_mean) filter (where isfinite(completion_tokens_mean))
            as completion_tokens
    from loss_curves
    group by job_id
)

select
    paces.job_id,
    jobs.status,
    case
        when jobs.status = 'running' and curves.total_steps >= curves.last_step
            -- counted from 0, the last of n steps is n - 1
            then
                greatest(
                    curves.total_steps
                    - curves.last_step
                    - coalesce(curves.first_step = 0, false)::bigint,
                    0
                )
    end as steps_left,
    -- a total that no one can mean makes a time that no clock can tell: none after the year 9999
    case
        when
            epoch(paces.last_step_at) + steps_left * paces.recent_seconds_per_step
            < 253402300800
            then
                paces.last_step_at
                + to_microseconds((1e6 * steps_left * paces.recent_seconds_per_step)::bigint)
    end as done_at,
    (epoch_us(done_at) - epoch_us(coalesce(dumps.ended_at, last_event.created_at))) / 1e6
        as seconds_left,
    curves.last_step,
    curves.total_steps,
    paces.recent_seconds_per_step,
    paces.steps_per_second,
    paces.seconds_per_step,
    paces.median_seconds_per_step,
    paces.timed_gaps,
    paces.has_synthetic_times,
    jobs.billed_tokens,
    jobs.billed_tokens / nullif(epoch(jobs.ended_at) - epoch(jobs.started_at), 0)
        as billed_tokens_per_second,
    curves.reasoning_tokens as mean_reasoning_tokens,
    curves.completion_tokens as mean_completion_tokens
from paces
inner join stg_job_states as jobs on paces.job_id = jobs.job_id
left join curves on paces.job_id = curves.job_id
left join stg_dumps as dumps on paces.job_id = dumps.job_id
cross join stg_last_event as last_event
;

comment on view throughput is
    'How fast does each job train, and when will those still running be done?';
comment on column throughput.job_id is 'fine-tuning job [id]';
comment on column throughput.status is 'how the job ended or where it is, as in jobs [text]';
comment on column throughput.steps_left is
    'steps to go, NULL where it does not run or the plan is unknown [step]';
comment on column throughput.done_at is 'when its last step is due at the recent pace [UTC]';
comment on column throughput.seconds_left is
    'from the last event of the dump to done_at, negative where it is overdue [s]';
comment on column throughput.last_step is 'greatest step with metrics [step]';
comment on column throughput.total_steps is
    'steps the job plans, NULL where never told [step]';
comment on column throughput.recent_seconds_per_step is
    'mean over the last tenth of them, ten at least; pauses count if there were three [s/step]';
comment on column throughput.steps_per_second is
    'mean over all of them, NULL where they took no second in all [step/s]';
comment on column throughput.seconds_per_step is 'mean over all of them [s/step]';
comment on column throughput.median_seconds_per_step is 'median of them [s/step]';
comment on column throughput.timed_gaps is
    'neighbouring logged steps whose time is known, NULL where there are none [1]';
comment on column throughput.has_synthetic_times is
    'true where the times of steps are counted up and tell no speed [bool]';
comment on column throughput.billed_tokens is
    'training tokens billed, from Azure''s messages [token]';
comment on column throughput.billed_tokens_per_second is
    'billed tokens by the seconds from start to end [token/s]';
comment on column throughput.mean_reasoning_tokens is
    'mean reasoning tokens of a training sample, over all steps [token]';
comment on column throughput.mean_completion_tokens is
    'mean completion tokens of a training sample, over all steps [token]';
