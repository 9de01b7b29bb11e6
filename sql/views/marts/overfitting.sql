-- Did the validation loss rise, or the reward fall, after its best, how far, since which step?
--
-- Grain: job_id
-- Reads: loss_curves, stg_evaluations, thresholds
-- Caveat: by full_valid_loss, valid_loss and the mean rewards, each where it was given often
--   enough; told is the one that overfits, else the first. Losses on the whole validation set are
--   compared as they are; of a sample smoothed losses are, not single ones, and so are rewards, for
--   answers are drawn anew each time. The best step is the one that best_steps tells by the same
--   metric, which lags behind nothing. What the curve lacks is taken from checkpoint objects. Jobs
--   with too few evaluations have no row. What training does is not asked: is_overfit also holds
--   where both get worse (divergences).
-- Source: Prechelt, Early Stopping - But When? (1998): generalisation loss
--   GL(t) = 100 * (E_va(t) / E_opt(t) - 1), its persistence over evaluations as in UP. Smoothed:
--   medians of three, then their mean (Tukey, Exploratory Data Analysis, 1977). Noise is told by
--   how far each loss lies from the mean of its neighbours, sqrt(1.5) standard deviations of it
--   where it is normal: as a ratio to the mean of the three, as noise grows with the loss, on
--   average. Where a curve bends from falling to rising it lies below: fewer than 14 evaluations
--   tell the less of it, and what lies above tells twice as much. Or as it is in the first half,
--   what 0.85 of them stay below, 1.0364 times sqrt(1.5) deviations, where that is more: a few
--   answers that are wrong now and then make leaps that no ratio shows. Of a whole set, of which
--   few losses are told and one is the turn, by how far it lies above or below, as a ratio, in the
--   middle. A reward is judged as the loss that it is with the other sign; its noise does not grow
--   with it, but hangs together: how far it lies from the mean of the five about it, sqrt(0.8) of
--   them, counts where it is more, of fewer than 14 evaluations the less.
create or replace macro overfitting_of(curves) as table
with limits as (
    select
        max(value) filter (where threshold = 'least_evaluations') as least_evaluations,
        max(value) filter (where threshold = 'least_full_evaluations') as least_full_evaluations,
        max(value) filter (where threshold = 'told_noise') as told_noise,
        max(value) filter (where threshold = 'few_noise') as few_noise,
        max(value) filter (where threshold = 'window_share') as window_share,
        max(value) filter (where threshold = 'least_window') as least_window,
        max(value) filter (where threshold = 'most_window') as most_window,
        max(value) filter (where threshold = 'long_share') as long_share,
        max(value) filter (where threshold = 'mild_loss') as mild_loss,
        max(value) filter (where threshold = 'marked_loss') as marked_loss,
        max(value) filter (where threshold = 'severe_loss') as severe_loss,
        max(value) filter (where threshold = 'noise_multiple') as noise_multiple,
        max(value) filter (where threshold = 'reward_noise_multiple') as reward_noise_multiple,
        max(value) filter (where threshold = 'least_rise') as least_rise,
        max(value) filter (where threshold = 'persistence') as least_persistence,
        max(value) filter (where threshold = 'run') as run,
        max(value) filter (where threshold = 'alone') as alone
    from thresholds
    where detector = 'overfitting'
),

evaluations as (
    select
        job_id,
        metric,
        step,
        higher_is_better as is_reward,
        metric = 'full_valid_loss' as is_full,
        evaluations,
        best,
        if(is_reward, -value, value) as loss,
        row_number() over by_step as n,
        lag(loss) over by_step as loss_before,
        lag(loss, 2) over by_step as loss_before_that,
        lead(loss) over by_step as loss_after,
        lead(step) over by_step as next_step,
        loss - (loss_before + loss_after) / 2 as bump,
        off,
        if(
            loss = loss_before and loss = loss_after,
            0,
            3 * off / (abs(loss_before) + abs(loss) + abs(loss_after))
        ) as off_share,
        case
            when n between 3 and evaluations - 2
                then
                    if(
                        min(loss) over five = max(loss) over five,
                        0,
                        abs(loss - avg(loss) over five)
                    )
        end as off_five
    from evaluations_of(curves)
    where isfinite(value)
    window
        by_step as (partition by job_id, metric order by step),
        five as (
            partition by job_id, metric order by step rows between 2 preceding and 2 following
        )
),

whole as (
    select
        evaluations.* exclude (best),
        case
            when is_full then 1
            else
                greatest(
                    limits.least_window,
                    least(limits.most_window, floor(limits.window_share * evaluations)),
                    floor(limits.long_share * evaluations)
                )
        end::bigint as span,
        (min(best) over of_metric).step as best_step,
        -- a bend of the curve is no noise: a loss that falls and rises lies below its neighbours
        -- there, and would be most of what few evaluations tell
        case
            when is_reward
                then
                    greatest(
                        sqrt(pi() / 3) * (avg(off) over of_metric),
                        sqrt(pi() / 2 / (1 - 1 / 5)) * (avg(off_five) over of_metric)
                        * least(1, evaluations / 14) -- a bend is none, neither
                    )
            when not is_full
                then
                    greatest(
                        sqrt(pi() / 3) * abs(median(loss) over of_metric)
                        * greatest(
                            (avg(off_share) over of_metric) * least(1, evaluations / 14),
                            2 * (
                                avg(case when bump > 0 then off_share when bump <= 0 then 0 end)
                                    over of_metric
                            )
                            * evaluations / (evaluations - 2) -- few tell it roughly
                        ),
                        (
                            quantile_cont(case when n <= evaluations // 2 then bump end, 0.85)
                                over of_metric
                        )
                        / (sqrt(1.5) * 1.0364)
                    )
            when evaluations >= limits.told_noise
                then
                    abs(median(loss) over of_metric) * (median(off_share) over of_metric)
                    / (sqrt(1.5) * 0.6745)
            else limits.few_noise * abs(min(loss) over of_metric)
        end as noise
    from evaluations
    cross join limits
    where evaluations >= if(is_full, limits.least_full_evaluations, limits.least_evaluations)
    window of_metric as (partition by job_id, metric)
),

smoothed as (
    select
        *,
        if(is_full, loss, avg(greatest(
            least(loss, loss_before),
            least(greatest(loss, loss_before), loss_before_that)
        )) over (
            partition by job_id, metric
            order by step
            rows between greatest(span, 3) - 3 preceding and current row
        )) as error -- of a sample the mean of the medians of three
    from whole
),

bests as (
    select
        *,
        min(error) over (
            partition by job_id, metric
            order by step
            rows between unbounded preceding and current row
        ) as best_error
    from smoothed
    where n >= span
),

losses as (
    select
        bests.*,
        limits.*,
        case
            when is_reward and best_error < 0 then 100 * (1 - error / best_error)
            when not is_reward and best_error > 0 then 100 * (error / best_error - 1)
        end as generalisation_loss,
        best_error + greatest(
            abs(best_error) * mild_loss / 100,
            least_rise,
            if(is_reward, reward_noise_multiple, noise_multiple)
            * noise / sqrt(greatest(span, least_window))
        ) as threshold
    from bests
    cross join limits
),

ends as (
    select
        *,
        last_value(threshold) over (
            partition by job_id, metric
            order by n
            rows between unbounded preceding and unbounded following
        ) as last_threshold
    from losses
),

verdicts as (
    select
        job_id,
        metric,
        if(any_value(is_reward), -1, 1) as sign,
        any_value(evaluations) as evaluations,
        any_value(best_step) as best_step,
        min(error) as best_error,
        max(step) as last_step,
        arg_max(error, n) as last_error,
        any_value(last_threshold) as last_threshold,
        arg_max_null(generalisation_loss, n) as generalisation_loss,
        max(generalisation_loss) as worst_generalisation_loss,
        max(n) - max(n) filter (where error <= threshold) as persistence,
        case
            when persistence > 0
                then least(
                    arg_max_null(next_step, n) filter (where error <= threshold),
                    arg_max_null(next_step, n) filter (where loss <= last_threshold)
                )
        end as risen_since_step,
        any_value(noise) as noise,
        persistence > 0
            -- what is back at its best ends with it, though the mean lags behind
            and any_value(best_step) < risen_since_step
            -- two outliers near to one another lift the mean, but not the median
            and median(loss) filter (where n > evaluations - span) > any_value(last_threshold)
            -- the mean of a short curve lags behind: there the losses themselves may tell
            and (
                persistence >= any_value(least_persistence)
                or min(loss) filter (where n > evaluations - run) > any_value(last_threshold)
                -- or the last mean is far above: of a whole set, of which each loss is its own,
                -- only where two or three epochs give no more than one so far above
                or (
                    not bool_or(is_full and evaluations >= told_noise)
                    and arg_max(error, n) - min(error)
                    > any_value(alone) * (any_value(last_threshold) - min(error))
                )
            )
            as is_overfit,
        any_value(marked_loss) as marked_loss,
        any_value(severe_loss) as severe_loss
    from ends
    group by job_id, metric
)

select
    job_id,
    is_overfit,
    case
        when not is_overfit then 'none'
        when generalisation_loss > severe_loss or best_error = 0 then 'severe'
        when generalisation_loss > marked_loss then 'marked'
        else 'mild'
    end as severity,
    metric,
    evaluations,
    best_step,
    sign * best_error as best_value,
    last_step,
    sign * last_error as last_value,
    sign * last_threshold as threshold,
    generalisation_loss,
    worst_generalisation_loss,
    persistence,
    risen_since_step,
    noise
from verdicts
qualify
    row_number() over (
        partition by job_id
        order by
            is_overfit desc,
            list_position(
                ['full_valid_loss', 'valid_loss', 'full_valid_mean_reward', 'valid_mean_reward'],
                metric
            )
    ) = 1
;

create or replace view overfitting as
with
-- few steps are evaluated, and nothing above is planned for what lies below
evaluated as materialized (
    from loss_curves
    where
        coalesce(full_valid_loss, valid_loss, full_valid_mean_reward, valid_mean_reward)
        is not null
)

from overfitting_of('evaluated')
;

comment on view overfitting is
    'Did the validation loss rise, or the reward fall, after its best, how far, since which step?';
comment on column overfitting.job_id is 'fine-tuning job [id]';
comment on column overfitting.is_overfit is
    'true where it ends worse than its best by more than the thresholds, for long enough [bool]';
comment on column overfitting.severity is
    'none, mild, marked or severe, by the generalisation loss at the end [text]';
comment on column overfitting.metric is
    'full_valid_loss, valid_loss, full_valid_mean_reward or valid_mean_reward [text]';
comment on column overfitting.evaluations is 'evaluations with a finite value [evaluation]';
comment on column overfitting.best_step is
    'step of the best evaluation, judged as best_steps judges them [step]';
comment on column overfitting.best_value is
    'the least loss or greatest reward; smoothed but for full_valid_loss [1]';
comment on column overfitting.last_step is 'last evaluation [step]';
comment on column overfitting.last_value is
    'that of the last evaluation; smoothed but for full_valid_loss [1]';
comment on column overfitting.threshold is
    'loss above which, or reward below which, the last evaluation counts as worse [1]';
comment on column overfitting.generalisation_loss is
    'how far the last is worse than the best, NULL where that is not positive [%]';
comment on column overfitting.worst_generalisation_loss is
    'greatest generalisation loss at any evaluation [%]';
comment on column overfitting.persistence is
    'evaluations in a row, up to the last, beyond their threshold [evaluation]';
comment on column overfitting.risen_since_step is
    'first of these, or of those in a row beyond the last threshold; NULL if none is [step]';
comment on column overfitting.noise is 'standard deviation of a single evaluation [1]';
