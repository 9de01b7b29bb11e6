-- Did the validation loss rise again after its best, how far, and since which step?
--
-- Grain: job_id
-- Reads: loss_curves, thresholds
-- Caveat: by full_valid_loss where it was given often enough, else by valid_loss, which is a
--   sample: medians over a share of the evaluations are compared, not single ones. Jobs with too
--   few evaluations have no row. What the training loss does is not asked: is_overfit also holds
--   where both rise (divergences).
-- Source: Prechelt, Early Stopping - But When? (1998): generalisation loss
--   GL(t) = 100 * (E_va(t) / E_opt(t) - 1), its persistence over evaluations as in UP. Noise:
--   1.4826 * the median of |differences of neighbours| / sqrt(2); a median's standard error is
--   1.2533 * noise / sqrt(n).
create or replace view overfitting as
with limits as (
    select
        max(value) filter (where threshold = 'least_evaluations') as least_evaluations,
        max(value) filter (where threshold = 'window_share') as window_share,
        max(value) filter (where threshold = 'least_window') as least_window,
        max(value) filter (where threshold = 'mild_loss') as mild_loss,
        max(value) filter (where threshold = 'marked_loss') as marked_loss,
        max(value) filter (where threshold = 'severe_loss') as severe_loss,
        max(value) filter (where threshold = 'noise_multiple') as noise_multiple,
        max(value) filter (where threshold = 'least_rise') as least_rise,
        max(value) filter (where threshold = 'persistence') as least_persistence,
        max(value) filter (where threshold = 'marked_persistence') as marked_persistence
    from thresholds
    where detector = 'overfitting'
),

evaluations as (
    unpivot (
        select
            job_id,
            step,
            full_valid_loss,
            valid_loss
        from loss_curves
        where full_valid_loss is not null or valid_loss is not null
    )
    on full_valid_loss, valid_loss
    into name metric value loss
),

numbered as (
    select
        evaluations.*,
        limits.*,
        row_number() over by_step as n,
        count(*) over (partition by evaluations.job_id, evaluations.metric) as evaluations,
        abs(evaluations.loss - lag(evaluations.loss) over by_step) as difference
    from evaluations
    cross join limits
    where isfinite(evaluations.loss)
    window
        by_step as (partition by evaluations.job_id, evaluations.metric order by evaluations.step)
),

chosen as (
    select
        *,
        greatest(least_window, floor(window_share * evaluations))::bigint as span
    from numbered
    where evaluations >= least_evaluations
    qualify metric = min(metric) over (partition by job_id) -- full_valid_loss before valid_loss
),

medians as (
    select
        *,
        median(loss) over (
            partition by job_id
            order by step
            rows between span - 1 preceding and current row
        ) as error,
        1.4826 / sqrt(2) * median(difference) over (partition by job_id) as noise
    from chosen
),

bests as (
    select
        *,
        min({'error': error, 'step': step}) over (
            partition by job_id order by step rows between unbounded preceding and current row
        ) as best
    from medians
    where n >= span
),

losses as (
    select
        *,
        case when best.error > 0 then 100 * (error / best.error - 1) end as generalisation_loss,
        best.error + greatest(
            best.error * mild_loss / 100,
            least_rise,
            noise_multiple * 1.2533 * noise / sqrt(span)
        ) as threshold
    from bests
),

ends as (
    select
        *,
        max(case when error > threshold then 0 else n end) over (partition by job_id)
            as last_sound
    from losses
),

verdicts as (
    select
        job_id,
        any_value(metric) as metric,
        any_value(evaluations) as evaluations,
        arg_max(best.step, n) as best_step,
        arg_max(best.error, n) as best_loss,
        max(step) as last_step,
        arg_max(error, n) as last_loss,
        arg_max(threshold, n) as threshold,
        arg_max(generalisation_loss, n) as generalisation_loss,
        max(generalisation_loss) as worst_generalisation_loss,
        count(*) filter (where n > last_sound) as persistence,
        min(step) filter (where n > last_sound) as risen_since_step,
        any_value(noise) as noise,
        -- what is far above the best needs no long proof
        max(n) - max(last_sound) >= case
            when arg_max(generalisation_loss, n) > any_value(marked_loss)
                then any_value(marked_persistence)
            else any_value(least_persistence)
        end as is_overfit,
        any_value(marked_loss) as marked_loss,
        any_value(severe_loss) as severe_loss
    from ends
    group by job_id
)

select
    job_id,
    is_overfit,
    case
        when not is_overfit then 'none'
        when generalisation_loss > severe_loss then 'severe'
        when generalisation_loss > marked_loss then 'marked'
        else 'mild'
    end as severity,
    metric,
    evaluations,
    best_step,
    best_loss,
    last_step,
    last_loss,
    threshold,
    generalisation_loss,
    worst_generalisation_loss,
    persistence,
    risen_since_step,
    noise
from verdicts
;

comment on view overfitting is
    'Did the validation loss rise again after its best, how far, and since which step?';
comment on column overfitting.job_id is 'fine-tuning job [id]';
comment on column overfitting.is_overfit is
    'true where the loss ends above its best by more than the thresholds, for long enough [bool]';
comment on column overfitting.severity is
    'none, mild, marked or severe, by the generalisation loss at the end [text]';
comment on column overfitting.metric is 'full_valid_loss or valid_loss [text]';
comment on column overfitting.evaluations is 'evaluations with a finite value [evaluation]';
comment on column overfitting.best_step is
    'evaluation at which the median loss was least [step]';
comment on column overfitting.best_loss is 'the least median loss, up to that step [1]';
comment on column overfitting.last_step is 'last evaluation [step]';
comment on column overfitting.last_loss is 'median loss at the last evaluation [1]';
comment on column overfitting.threshold is
    'loss above which the last evaluation counts as risen [1]';
comment on column overfitting.generalisation_loss is
    'how far the last median is above the best, NULL where the best is not positive [%]';
comment on column overfitting.worst_generalisation_loss is
    'greatest generalisation loss at any evaluation [%]';
comment on column overfitting.persistence is
    'evaluations in a row, up to the last, above the thresholds [evaluation]';
comment on column overfitting.risen_since_step is
    'first of these evaluations, NULL where there is none [step]';
comment on column overfitting.noise is 'standard deviation of a single evaluation [1]';
