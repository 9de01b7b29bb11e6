-- By which metric is each job judged, what was it at every evaluation, and where was it best?
--
-- Grain: job_id, step
-- Reads: loss_curves, stg_validations
-- Caveat: the first of full_valid_loss, valid_loss, full_valid_mean_reward and valid_mean_reward
--   with two finite values at least that span half of the steps that any of them spans, else with
--   one: OpenAI often gives full_valid_loss at the last step only, or of the last three epochs, and
--   of these none tells where the loss was least. Of nine evaluations on and more, what is taken
--   from a sample is judged by the median of itself and its finite neighbours, at the ends of the
--   three next to them: an average lags behind, or mixes what lies before and after the end of an
--   epoch, where a loss leaps and checkpoints are made. All but full_valid_loss are: the answers
--   that a reward is of are drawn anew each time, on the whole set, too. As the least of many is
--   noise, of 48 and more the medians are averaged over a 24th of all to each side (reach). Fewer
--   than nine are judged as they are. How far each lies from the mean of its neighbours (off) tells
--   the noise. Neighbours may have the same median: of those best to nine digits the best step is
--   the one whose own value is better, then the earliest.
-- Source: running medians of three (Tukey, Exploratory Data Analysis, 1977), and their mean.
create or replace macro evaluations_of(curves) as table
with counted as (
    select
        *,
        metric like '%reward' as higher_is_better,
        count(value) filter (where isfinite(value)) over of_metric as evaluations,
        max(step) filter (where isfinite(value)) over of_metric::double
        - min(step) filter (where isfinite(value)) over of_metric as span,
        lag(value) over by_step as value_before,
        lead(value) over by_step as value_after,
        coalesce(value_before, lead(value, 2) over by_step) as one_side,
        coalesce(value_after, lag(value, 2) over by_step) as other_side
    from validations_of(curves)
    window
        of_metric as (partition by job_id, metric),
        by_step as (partition by job_id, metric, isfinite(value) order by step)
),

weighed as (
    select
        *,
        metric <> 'full_valid_loss' and evaluations >= 9 as is_smoothed,
        greatest(1, evaluations // 24) as reach,
        case when isfinite(value) then abs(value - (value_before + value_after) / 2) end as off,
        case
            when not isfinite(value) then null
            when is_smoothed
                then greatest(
                    least(value, one_side),
                    least(greatest(value, one_side), other_side)
                )
            else value
        end as middle
    from counted
    where evaluations > 0
),

judged as (
    select
        *,
        case
            when is_smoothed and reach > 1 and middle is not null
                then avg(middle) over (
                    partition by job_id, metric, isfinite(value)
                    order by step
                    rows between reach preceding and reach following
                )
            else middle
        end as judged,
        if(higher_is_better, -judged, judged) as loss,
        case when is_smoothed then if(higher_is_better, -value, value) end as own_loss
    from weighed
),

leasts as (
    select
        *,
        min(loss) over (partition by job_id, metric) as least
    from judged
)

select
    job_id,
    metric,
    higher_is_better,
    is_smoothed,
    step,
    value,
    judged,
    reach,
    off,
    evaluations,
    span,
    -- the least of these is the best evaluation
    case
        when loss <= least + 1e-9 * abs(least)
            then {'own_loss': own_loss, 'step': step, 'value': judged}
    end as best
from leasts
;

create or replace view stg_evaluations as
with ranked as (
    select
        *,
        list_position(
            ['full_valid_loss', 'valid_loss', 'full_valid_mean_reward', 'valid_mean_reward'],
            metric
        ) + case
            when evaluations < 2 or 2 * span < max(span) over (partition by job_id) then 4
            else 0
        end as choice
    from evaluations_of('loss_curves')
)

select * exclude (span, choice)
from ranked
qualify choice = min(choice) over (partition by job_id)
;
