-- Where did the training loss jump far above what was usual just before, and did it come back?
--
-- Grain: job_id, first_step
-- Reads: loss_curves, thresholds
-- Caveat: usual is the median of the points just before; of the first points, for which there are
--   few, the greater one of that and the median of as many after. What counts as far is told by the
--   noise of the job's whole curve and by how high the highest of so many points is by chance, and
--   is not below a share of the loss at the start. Where a loss near zero leaps all along, single
--   answers are wrong, and a spike is what stands out among these leaps. Spikes near to one another
--   are one. NaN and infinities are passed over: divergences has them. docs/detectors.md has the
--   formula step by step.
-- Source: after Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993), for noise that may
--   be skewed: from the median to the eighth decile are 0.8416 standard deviations of normal noise;
--   or, where that is more, the eighth decile of how far neighbours differ, 1.2816 * sqrt(2) of
--   them: of a few dozen points of batches of one the upper ones may be low by chance, but the lows
--   next to them tell of noise, too. Spikes of a tenth of the points hardly change it. Heights of
--   leaps are as an exponential's, whose median is ln 2 of its mean.
create or replace macro spikes_of(curves) as table
with limits as (
    select
        max(value) filter (where threshold = 'least_before') as least_before,
        max(value) filter (where threshold = 'warm_up') as warm_up,
        max(value) filter (where threshold = 'deviations') as deviations,
        max(value) filter (where threshold = 'least_rise') as least_rise,
        max(value) filter (where threshold = 'floor') as least_loss,
        max(value) filter (where threshold = 'learnt') as learnt,
        max(value) filter (where threshold = 'told_tail') as told_tail,
        max(value) filter (where threshold = 'merge') as merge,
        max(value) filter (where threshold = 'crowd') as crowd,
        max(value) filter (where threshold = 'crowd_share') as crowd_share,
        max(value) filter (where threshold = 'large_crowd') as large_crowd,
        max(value) filter (where threshold = 'crowd_height') as crowd_height,
        max(value) filter (where threshold = 'crowd_level') as crowd_level
    from thresholds
    where detector = 'loss_spikes'
),

points as (
    select
        job_id,
        step,
        train_loss,
        row_number() over by_step as n,
        median(train_loss) over before as usual,
        abs(train_loss - lag(train_loss) over by_step) as change,
        lead(train_loss) over by_step as loss_after
    from query_table(curves)
    where isfinite(train_loss)
    window
        by_step as (partition by job_id order by step),
        before as (
            partition by job_id
            order by step
            rows between loss_spikes_window() preceding and 1 preceding
        )
),

jobs as (
    select
        points.job_id,
        coalesce(
            arg_min(points.usual, points.n) filter (where points.n > limits.warm_up),
            arg_max(points.usual, points.n)
        ) as start_loss,
        median(points.train_loss) filter (where points.n <= limits.least_before) as first_loss,
        abs(median(points.train_loss)) as level,
        count(*) as losses,
        quantile_cont((points.train_loss - points.usual) / abs(points.usual), [0.5, 0.8, 0.9])
            filter (where points.usual <> 0) as quantiles,
        greatest(
            (quantiles[2] - quantiles[1]) / 0.8416,
            quantile_cont(points.change / abs(points.usual), 0.8)
                filter (where points.usual <> 0) / (1.2816 * sqrt(2))
        ) as noise,
        case
            when losses >= any_value(limits.told_tail)
                then quantiles[3] + (quantiles[3] - quantiles[2]) / ln(2) * ln(20 * losses)
        end as tail,
        list(points.train_loss order by points.n)
            filter (where points.n <= limits.warm_up + loss_spikes_window()) as first_losses,
        list({
            'step': points.step,
            'n': points.n,
            'train_loss': points.train_loss,
            'usual': points.usual,
            'loss_after': points.loss_after
        }) filter (where points.n > limits.least_before and points.train_loss > points.usual)
            as raised
    from points
    cross join limits
    group by points.job_id
),

told as (
    select
        job_id,
        start_loss,
        first_loss,
        level,
        losses,
        noise,
        tail,
        first_losses,
        unnest(raised, max_depth := 2)
    from jobs
),

raised as (
    select
        told.* exclude (first_losses) replace (
            case
                when told.n <= limits.warm_up
                    then greatest(
                        told.usual,
                        list_median(
                            first_losses[told.n + 1 : told.n + loss_spikes_window()]
                        )
                    )
                else told.usual
            end as usual
        )
    from told
    cross join limits
),

leaps as (
    select
        raised.*,
        limits.merge,
        limits.crowd,
        limits.crowd_share,
        limits.large_crowd,
        limits.crowd_height,
        limits.crowd_level,
        train_loss - usual as height,
        noise * greatest(abs(usual), level) as deviation,
        greatest(
            least_rise * abs(start_loss),
            least_loss,
            deviations * deviation,
            tail * greatest(abs(usual), level)
        ) as least_height,
        greatest(
            usual + least_height,
            case when abs(usual) < learnt * abs(start_loss) then start_loss end,
            -- where few points are many steps, the start may have been learnt by heart already
            case
                when greatest(abs(usual), abs(start_loss))
                    < least(learnt * abs(first_loss), least_loss)
                    then first_loss
            end
        ) as threshold,
        case when train_loss > threshold then n end as outlier
    from raised
    cross join limits
    where height > least_height
),

neighbours as (
    select
        *,
        coalesce(n - lag(n) over by_step > 1, true) as is_apart,
        coalesce(outlier - max(outlier) over earlier > merge, outlier is not null) as is_first
    from leaps
    window
        by_step as (partition by job_id order by n),
        earlier as (
            partition by job_id order by n rows between unbounded preceding and 1 preceding
        )
),

spikes as (
    select
        *,
        count(*) filter (where is_first) over (partition by job_id order by n) as spike,
        count(*) over of_job as leaps,
        median(height) filter (where is_apart) over of_job as usual_height,
        min(height) over of_job as lowest,
        (usual_height - lowest) / ln(2) as beyond,
        count(*) filter (where is_apart) over of_job >= crowd
        and leaps >= least(crowd_share * losses, large_crowd)
        and level < crowd_level
        and usual_height > crowd_height * level as is_crowd
    from neighbours
    window of_job as (partition by job_id)
),

found as (
    select
        job_id,
        min(step) as first_step,
        max(step) as last_step,
        arg_max(step, {'loss': train_loss, 'earlier': -step}) as peak_step,
        max(train_loss) as peak_loss,
        arg_min(usual, n) as usual_loss,
        arg_min(threshold, n) as threshold,
        (peak_loss - usual_loss) / arg_min(nullif(deviation, 0), n) as deviations,
        count(*) as points,
        coalesce(arg_max_null(loss_after, n) <= (peak_loss + usual_loss) / 2, false)
            as is_recovered,
        any_value(
            greatest(2 * usual_height, lowest + beyond * ln(100 * leaps))
        ) filter (where is_crowd) as least_in_crowd
    from spikes
    where outlier is not null
    group by job_id, spike
)

select
    job_id,
    first_step,
    last_step,
    peak_step,
    peak_loss,
    usual_loss,
    threshold,
    deviations,
    points,
    is_recovered
from found
where least_in_crowd is null or peak_loss - usual_loss > least_in_crowd
;

create or replace view loss_spikes as
from spikes_of('loss_curves')
;

comment on view loss_spikes is
    'Where did the training loss jump far above what was usual just before, and did it come back?';
comment on column loss_spikes.job_id is 'fine-tuning job [id]';
comment on column loss_spikes.first_step is 'first step above the threshold [step]';
comment on column loss_spikes.last_step is 'last step above it [step]';
comment on column loss_spikes.peak_step is 'step of the greatest loss [step]';
comment on column loss_spikes.peak_loss is 'the greatest training loss of the spike [1]';
comment on column loss_spikes.usual_loss is 'median training loss just before it [1]';
comment on column loss_spikes.threshold is 'training loss above which its first step counted [1]';
comment on column loss_spikes.deviations is
    'height of the peak in standard deviations of the job''s noise, NULL without noise [1]';
comment on column loss_spikes.points is 'points above the threshold [point]';
comment on column loss_spikes.is_recovered is
    'true where the next point is half-way back or nearer; false at the end of the curve [bool]';
