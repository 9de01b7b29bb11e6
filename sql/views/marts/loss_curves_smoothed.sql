-- How do the losses and rewards go beneath their noise?
--
-- Grain: job_id, metric, step
-- Reads: loss_curves
-- Parameters: smoothing := 0.6
-- Caveat: every point of loss_curves takes part, in order of step. Smoothing is the weight of the
--   past, from 0 (none) to less than 1. NaN and infinities are passed over: they have no smoothed
--   value and count for no other. As a view, smoothing is TensorBoard's default of 0.6.
-- Source: TensorBoard's debiased exponential moving average (vz_line_chart2/line-chart.ts):
--   last = s * last + (1 - s) * y; smoothed = last / (1 - s^n) at the n-th finite point. Equal to
--   polars.Expr.ewm_mean(alpha=1 - s, adjust=True, ignore_nulls=True).
create or replace macro smoothed_of(curves, smoothing) as table
with weights as (
    select
        s,
        -- a point weighs s^-n in its block of points, which keeps that weight below 1e150
        greatest(1, floor(-150 / log10(greatest(s, 1e-150))))::bigint as block
    from (select smoothing::double as s)
),

told as (
    select
        job_id,
        step,
        train_loss,
        valid_loss,
        full_valid_loss,
        train_mean_reward,
        valid_mean_reward,
        full_valid_mean_reward
    from query_table(curves)
),

points as (
    unpivot told
    on columns(* exclude (job_id, step))
    into name metric value value
),

numbered as (
    select
        points.*,
        isfinite(value) as is_finite,
        row_number() over (partition by job_id, metric, isfinite(value) order by step) - 1 as n,
        weights.s,
        weights.block
    from points
    cross join weights
),

weighed as (
    select
        *,
        n % block as place,
        value * pow(s, -(n % block)) as weighed
    from numbered
),

-- the block before is enough: those before it weigh less than 1e-150
summed as (
    select
        *,
        sum(weighed) over (
            partition by job_id, metric, is_finite
            order by step
            rows between place preceding and current row
        ) as own_block,
        sum(weighed) over (
            partition by job_id, metric, is_finite
            order by step
            rows between place + block preceding and place + 1 preceding
        ) as block_before
    from weighed
)

select
    job_id,
    metric,
    step,
    value,
    case
        when not (s >= 0 and s < 1)
            then error('loss_curves_smoothed: smoothing ' || s || ': give 0 to less than 1')
        when is_finite
            then (1 - s) / (1 - pow(s, n + 1)) * (
                own_block * pow(s, place) + coalesce(block_before * pow(s, place + block), 0)
            )
    end as smoothed,
    case when is_finite then n + 1 end as point
from summed
;

create or replace macro loss_curves_smoothed(smoothing := 0.6) as table
from smoothed_of('loss_curves', smoothing)
;

create or replace view loss_curves_smoothed as
from loss_curves_smoothed()
;

comment on view loss_curves_smoothed is 'How do the losses and rewards go beneath their noise?';
comment on column loss_curves_smoothed.job_id is 'fine-tuning job [id]';
comment on column loss_curves_smoothed.metric is
    'train_loss, valid_loss, full_valid_loss, or one of the mean rewards of that kind [text]';
comment on column loss_curves_smoothed.step is 'training step [step]';
comment on column loss_curves_smoothed.value is 'the metric as it is in loss_curves [1]';
comment on column loss_curves_smoothed.smoothed is
    'debiased exponential moving average up to this step, NULL where value is not finite [1]';
comment on column loss_curves_smoothed.point is
    'which finite point of the metric it is, from 1; NULL where value is not finite [1]';
