-- Where did a loss or reward stop being a number, or a loss rise and stay far above its best?
--
-- Grain: job_id, kind, metric, first_step
-- Reads: loss_curves, thresholds
-- Caveat: rising is told of the training loss only, and needs a run of points: what begins in the
--   last few steps of a curve is not seen. A spike is no divergence: half the points of a run have
--   to be above the threshold themselves, not only their average. All jobs walk along their losses
--   side by side: windows, which sort them for each thing that is asked, take ten times as long.
-- Source: a heuristic: smoothed loss above a multiple of its minimum so far. Smoothed as in
--   loss_curves_smoothed.
create or replace view divergences as
with limits as (
    select
        max(value) filter (where threshold = 'smoothing') as s,
        max(value) filter (where threshold = 'warm_up') as warm_up,
        max(value) filter (where threshold = 'ratio') as ratio,
        max(value) filter (where threshold = 'least_rise') as least_rise,
        max(value) filter (where threshold = 'persistence') as persistence
    from thresholds
    where detector = 'divergences'
),

told as (
    select
        job_id,
        list(step) filter (where isfinite(train_loss)) as told_steps,
        list(train_loss) filter (where isfinite(train_loss)) as told_losses,
        [
            {
                'metric': 'train_loss',
                'points': list({'step': step, 'value': train_loss})
                    filter (where not isfinite(train_loss))
            },
            {
                'metric': 'valid_loss',
                'points': list({'step': step, 'value': valid_loss})
                    filter (where not isfinite(valid_loss))
            },
            {
                'metric': 'full_valid_loss',
                'points': list({'step': step, 'value': full_valid_loss})
                    filter (where not isfinite(full_valid_loss))
            },
            {
                'metric': 'train_mean_reward',
                'points': list({'step': step, 'value': train_mean_reward})
                    filter (where not isfinite(train_mean_reward))
            },
            {
                'metric': 'valid_mean_reward',
                'points': list({'step': step, 'value': valid_mean_reward})
                    filter (where not isfinite(valid_mean_reward))
            },
            {
                'metric': 'full_valid_mean_reward',
                'points': list({'step': step, 'value': full_valid_mean_reward})
                    filter (where not isfinite(full_valid_mean_reward))
            }
        ] as broken
    from loss_curves
    group by job_id
),

in_order as (
    select
        job_id,
        broken,
        -- almost all lie in order, if there are any
        coalesce(is_in_order(told_steps), true) as is_sorted,
        if(is_sorted, told_steps, list_sort(told_steps)) as steps,
        case
            when is_sorted then told_losses
            else list_transform(list_sort(list_zip(told_steps, told_losses)), lambda one: one[2])
        end as losses
    from told
),

-- Each step of a walk takes in one loss and asks about those before it: of the last one how far
-- it may rise, of the one before whether it has. So a walk goes two steps beyond its end.
walks as (
    select
        in_order.*,
        limits.persistence,
        list_reduce(
            list_transform(
                losses || losses[-1:] || losses[-1:],
                lambda loss: {
                    'point': 1,
                    'past': s,
                    'sum': (1 - s) * loss,
                    'smoothed': loss,
                    'start': null::double,
                    'least': null::double,
                    'last': null::double,
                    'bound': null::double,
                    'run': null::struct(
                        first bigint, last bigint, worst double, threshold double
                    ),
                    'runs': []::struct(
                        first bigint, last bigint, worst double, threshold double
                    )[]
                }
            ),
            lambda so_far, new: {
                'point': so_far.point + 1,
                'past': s * so_far.past, -- s^point
                'sum': s * so_far.sum + new.sum,
                'smoothed': (s * so_far.sum + new.sum) / (1 - s * so_far.past),
                'start': case
                    when so_far.point >= warm_up then coalesce(so_far.start, so_far.smoothed)
                end,
                'least': case
                    when so_far.point >= warm_up then least(so_far.least, so_far.smoothed)
                end,
                'last': so_far.smoothed,
                'bound': greatest(
                    ratio * so_far.least, so_far.least + least_rise * abs(so_far.start)
                ),
                'run': case
                    when so_far.last > so_far.bound
                        then {
                            'first': coalesce(so_far.run.first, so_far.point - 1),
                            'last': so_far.point - 1,
                            'worst': greatest(so_far.run.worst, so_far.last),
                            'threshold': least(so_far.run.threshold, so_far.bound)
                        }
                end,
                'runs': case
                    when
                        so_far.last <= so_far.bound
                        and so_far.run.last - so_far.run.first + 1 >= persistence
                        then so_far.runs || [so_far.run]
                    else so_far.runs
                end
            }
        ) as walk
    from in_order
    cross join limits
),

findings as (
    select
        job_id,
        unnest(
            list_concat(
                list_transform(
                    list_filter(broken, lambda one: one.points is not null),
                    lambda one: {
                        'kind': 'non_finite',
                        'metric': one.metric,
                        'first_step': list_min(one.points).step,
                        'last_step': list_max(one.points).step,
                        'points': len(one.points),
                        'worst': list_min(one.points).value,
                        'threshold': null::double
                    }
                ),
                list_transform(
                    list_filter(
                        walk.runs || [walk.run],
                        lambda run:
                            run.last - run.first + 1 >= persistence
                            and list_median(losses[run.first:run.last]) > run.threshold
                    ),
                    lambda run: {
                        'kind': 'rising',
                        'metric': 'train_loss',
                        'first_step': steps[run.first],
                        'last_step': steps[run.last],
                        'points': run.last - run.first + 1,
                        'worst': run.worst,
                        'threshold': run.threshold
                    }
                )
            ),
            max_depth := 2
        )
    from walks
)

select
    job_id,
    kind,
    metric,
    first_step,
    last_step,
    points,
    worst,
    threshold
from findings
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
