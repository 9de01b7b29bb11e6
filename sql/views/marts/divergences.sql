-- Where did a loss or reward stop being a number, or a loss rise and stay far above its best?
--
-- Grain: job_id, kind, metric, first_step
-- Reads: loss_curves, thresholds
-- Caveat: rising is told of the training loss only, and needs a run of points: what begins in the
--   last few steps of a curve is not seen. A spike is no divergence: half the points of a run have
--   to be above the threshold themselves, not only their average.
-- Source: a heuristic: smoothed loss above a multiple of its minimum so far. Smoothed as in
--   loss_curves_smoothed, whose formula is written out here for the one metric that is wanted.
create or replace view divergences as
with limits as (
    select
        max(value) filter (where threshold = 'smoothing') as s,
        -- a point weighs s^-n in its block of points, which keeps that weight below 1e150
        greatest(1, floor(-150 / log10(greatest(s, 1e-150))))::bigint as block,
        max(value) filter (where threshold = 'warm_up') as warm_up,
        max(value) filter (where threshold = 'ratio') as ratio,
        max(value) filter (where threshold = 'least_rise') as least_rise,
        max(value) filter (where threshold = 'persistence') as persistence
    from thresholds
    where detector = 'divergences'
),

non_finite as (
    unpivot (
        select
            job_id,
            step,
            train_loss,
            valid_loss,
            full_valid_loss,
            train_mean_reward,
            valid_mean_reward,
            full_valid_mean_reward
        from loss_curves
        where
            not isfinite(train_loss)
            or not isfinite(valid_loss)
            or not isfinite(full_valid_loss)
            or not isfinite(train_mean_reward)
            or not isfinite(valid_mean_reward)
            or not isfinite(full_valid_mean_reward)
    )
    on columns(* exclude (job_id, step))
    into name metric value value
),

points as (
    select
        curves.job_id,
        curves.step,
        curves.train_loss as value,
        row_number() over (partition by curves.job_id order by curves.step) - 1 as n,
        limits.s,
        limits.block
    from loss_curves as curves
    cross join limits
    where isfinite(curves.train_loss)
),

summed as (
    select
        job_id,
        n + 1 as point,
        step,
        value,
        s,
        block,
        n % block as place,
        sum(value * pow(s, -(n % block))) over (
            partition by job_id order by n rows between n % block preceding and current row
        ) as own_block,
        sum(value * pow(s, -(n % block))) over (
            partition by job_id
            order by n
            rows between n % block + block preceding and n % block + 1 preceding
        ) as block_before
    from points
),

averages as (
    select
        job_id,
        point,
        step,
        value,
        (1 - s) / (1 - pow(s, point)) * (
            own_block * pow(s, place) + coalesce(block_before * pow(s, place + block), 0)
        ) as smoothed
    from summed
),

smoothed as (
    select
        averages.*,
        limits.*,
        first_value(averages.smoothed) over from_warm_up as start_loss,
        min(averages.smoothed) over from_warm_up as least
    from averages
    cross join limits
    where averages.point >= limits.warm_up
    window
        from_warm_up as (
            partition by averages.job_id order by averages.point
            rows between unbounded preceding and current row
        )
),

risen as (
    select
        *,
        greatest(ratio * least, least + least_rise * abs(start_loss)) as threshold,
        point - row_number() over (partition by job_id order by point) as run
    from smoothed
    where smoothed > greatest(ratio * least, least + least_rise * abs(start_loss))
)

select
    job_id,
    'non_finite' as kind,
    metric,
    min(step) as first_step,
    max(step) as last_step,
    count(*) as points,
    arg_min(value, step) as worst,
    null::double as threshold
from non_finite
where not isfinite(value)
group by job_id, metric

union all

select
    job_id,
    'rising' as kind,
    'train_loss' as metric,
    min(step) as first_step,
    max(step) as last_step,
    count(*) as points,
    max(smoothed) as worst,
    min(threshold) as threshold
from risen
group by job_id, run
having count(*) >= any_value(persistence) and median(value) > min(threshold)
;

comment on view divergences is
    'Where did a loss or reward stop being a number, or a loss rise and stay far above its best?';
comment on column divergences.job_id is 'fine-tuning job [id]';
comment on column divergences.kind is
    'non_finite (NaN or infinite, a row for a metric) or rising (a row for a run) [text]';
comment on column divergences.metric is 'a loss, or of non_finite also a mean reward [text]';
comment on column divergences.first_step is 'first step concerned [step]';
comment on column divergences.last_step is 'last step concerned [step]';
comment on column divergences.points is 'points concerned [point]';
comment on column divergences.worst is
    'greatest smoothed loss of the run, or the first value that is no number [1]';
comment on column divergences.threshold is
    'smoothed loss above which it counted, NULL for non_finite [1]';
