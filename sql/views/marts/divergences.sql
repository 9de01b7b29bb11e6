-- Where did a loss or reward stop being a number, or stay far worse than its best?
--
-- Grain: job_id, kind, metric, first_step
-- Reads: loss_curves, thresholds
-- Caveat: rising is told of the training loss, falling of the mean training reward where a job has
--   more of these. Either needs a run of points, or that most of the last few are beyond the
--   threshold, and by the noise more so than of any seven since it was first low. A spike is no
--   divergence: half the points of a run have to be beyond the threshold themselves, not only their
--   average. Runs with no more points between them than a run needs are one. What is beyond by less
--   than nine digits show is not.
-- Source: a heuristic: smoothed loss above its minimum so far, or reward below its maximum, by a
--   share of that and by more than the noise, told by the differences of neighbours: of losses as
--   ratios to the mean of both, since noise grows with them, 2 / sqrt(pi) standard deviations on
--   average where it is normal; of rewards as they are, or, where there are 80 and that is more, by
--   how far they lie from the mean of those ten before and after: its median is 0.6745 * sqrt(1.5)
--   standard deviations. Smoothed as in loss_curves_smoothed, whose formula is written out here for
--   the one metric that is wanted. A reward is judged as the loss that it is with the other sign.
create or replace macro divergences_of(curves) as table
with limits as (
    select
        max(value) filter (where threshold = 'smoothing') as s,
        -- a point weighs s^-n in its block of points, which keeps that weight below 1e150
        greatest(1, floor(-150 / log10(greatest(s, 1e-150))))::bigint as block,
        max(value) filter (where threshold = 'warm_up') as warm_up,
        max(value) filter (where threshold = 'ratio') - 1 as rise,
        max(value) filter (where threshold = 'fall') as fall,
        max(value) filter (where threshold = 'least_rise') as least_rise,
        max(value) filter (where threshold = 'floor') as least_loss,
        max(value) filter (where threshold = 'noise_multiple') as noise_multiple,
        max(value) filter (where threshold = 'persistence') as persistence,
        max(value) filter (where threshold = 'ending')::bigint as ending
    from thresholds
    where detector = 'divergences'
),

told as (
    select
        job_id,
        list(step) filter (where isfinite(train_loss)) as loss_steps,
        list(train_loss) filter (where isfinite(train_loss)) as train_losses,
        list(step) filter (where isfinite(train_mean_reward)) as reward_steps,
        list(-train_mean_reward) filter (where isfinite(train_mean_reward)) as lost_rewards,
        list_concat(
            list({'name': 'train_loss', 'step': step, 'value': train_loss})
                filter (where not isfinite(train_loss)),
            list({'name': 'valid_loss', 'step': step, 'value': valid_loss})
                filter (where not isfinite(valid_loss)),
            list({'name': 'full_valid_loss', 'step': step, 'value': full_valid_loss})
                filter (where not isfinite(full_valid_loss)),
            list({'name': 'train_mean_reward', 'step': step, 'value': train_mean_reward})
                filter (where not isfinite(train_mean_reward)),
            list({'name': 'valid_mean_reward', 'step': step, 'value': valid_mean_reward})
                filter (where not isfinite(valid_mean_reward)),
            list({'name': 'full_valid_mean_reward', 'step': step, 'value': full_valid_mean_reward})
                filter (where not isfinite(full_valid_mean_reward))
        ) as broken
    from query_table(curves)
    group by job_id
),

judged as (
    select
        told.job_id,
        told.broken,
        len(told.lost_rewards) > coalesce(len(told.train_losses), 0) as is_reward,
        if(is_reward, 'falling', 'rising') as kind,
        if(is_reward, 'train_mean_reward', 'train_loss') as metric,
        if(is_reward, limits.fall, limits.rise) as share,
        if(is_reward, told.reward_steps, told.loss_steps) as steps,
        if(is_reward, told.lost_rewards, told.train_losses) as losses,
        in_order_of(steps, losses) as walk
    from told
    cross join limits
),

-- Most jobs have no run of points so high. All of them walk along their losses side by side, which
-- tells it in a third of the time that windows take; a long curve would walk alone.
walks as (
    select
        judged.*,
        limits.persistence,
        limits.least_rise,
        list_median(walk[-ending:]) as last_loss,
        case
            when len(walk) between 1 and 4000
                then list_reduce(
                    list_transform(
                        walk || walk[-1:],
                        lambda loss: {
                            'point': 1,
                            'past': s,
                            'sum': (1 - s) * loss,
                            'smoothed': loss,
                            'start': null::double,
                            'least': null::double,
                            'run': 0,
                            'longest': 0
                        }
                    ),
                    lambda so_far, new: {
                        'point': so_far.point + 1,
                        'past': s * so_far.past, -- s^point
                        'sum': s * so_far.sum + new.sum,
                        'smoothed': (s * so_far.sum + new.sum) / (1 - s * so_far.past),
                        -- of the point before
                        'start': case
                            when so_far.point >= warm_up
                                then coalesce(so_far.start, so_far.smoothed)
                        end,
                        'least': case
                            when so_far.point >= warm_up then least(so_far.least, so_far.smoothed)
                        end,
                        'run': case
                            when
                                so_far.smoothed > so_far.least + greatest(
                                    share * abs(so_far.least), least_rise * abs(so_far.start)
                                )
                                then so_far.run + 1
                            else 0
                        end,
                        'longest': greatest(so_far.longest, so_far.run)
                    }
                )
        end as walked
    from judged
    cross join limits
),

points as (
    select
        job_id,
        share,
        last_loss,
        unnest(
            list_concat(
                list_transform(
                    broken,
                    lambda one: {
                        'kind': 'non_finite',
                        'metric': one.name,
                        'point': 1,
                        'step': one.step,
                        'value': one.value,
                        'before': null::double,
                        'ten_before': null::double,
                        'ten_after': null::double
                    }
                ),
                case
                    when
                        coalesce(
                            greatest(walked.longest, walked.run) >= persistence
                            or last_loss > walked.least + greatest(
                                share * abs(walked.least), least_rise * abs(walked.start)
                            ),
                            true
                        )
                        then list_transform(
                            list_zip(
                                list_sort(steps),
                                walk,
                                list_resize([]::double[], 1) || walk[:-2],
                                list_resize([]::double[], 10) || walk[:-11],
                                walk[11:]
                            ),
                            lambda one, place: {
                                'kind': kind,
                                'metric': metric,
                                'point': place,
                                'step': one[1],
                                'value': one[2],
                                'before': one[3],
                                'ten_before': one[4],
                                'ten_after': one[5]
                            }
                        )[:len(walk)]
                end
            ),
            max_depth := 2
        )
    from walks
),

summed as (
    select
        points.*,
        limits.s,
        (points.point - 1) % limits.block as place,
        limits.block,
        greatest(
            sqrt(pi()) / 2 * avg(case
                when points.value = points.before then 0
                when points.kind = 'falling' then abs(points.value - points.before)
                else
                    2 * abs(points.value - points.before)
                    / (abs(points.value) + abs(points.before))
            end) over of_job,
            -- what hangs together from step to step does not over ten of them
            case
                when points.kind = 'falling' and count(*) over of_job >= 80
                    then
                        median(abs(points.value - (points.ten_before + points.ten_after) / 2))
                            over of_job
                        / (sqrt(1.5) * 0.6745)
            end
        ) as noise,
        sum(points.value * pow(limits.s, -((points.point - 1) % limits.block))) over (
            partition by points.job_id, points.kind, points.metric
            order by points.point
            rows between (points.point - 1) % limits.block preceding and current row
        ) as own_block,
        sum(points.value * pow(limits.s, -((points.point - 1) % limits.block))) over (
            partition by points.job_id, points.kind, points.metric
            order by points.point
            rows between
            (points.point - 1) % limits.block + limits.block preceding
            and (points.point - 1) % limits.block + 1 preceding
        ) as block_before
    from points
    cross join limits
    window of_job as (partition by points.job_id, points.kind, points.metric)
),

averages as (
    select
        job_id,
        kind,
        metric,
        share,
        last_loss,
        point,
        step,
        value,
        noise,
        (1 - s) / (1 - pow(s, point)) * (
            own_block * pow(s, place) + coalesce(block_before * pow(s, place + block), 0)
        ) as smoothed
    from summed
),

smoothed as (
    select
        averages.*,
        limits.persistence,
        limits.warm_up,
        limits.ending,
        min(averages.smoothed) over from_warm_up as least,
        least + greatest(
            averages.share * abs(least),
            limits.least_rise * abs(first_value(averages.smoothed) over from_warm_up),
            limits.noise_multiple
            * averages.noise
            * if(averages.kind = 'falling', 1, abs(least)),
            if(averages.kind = 'falling', 0, limits.least_loss)
        ) as threshold,
        averages.smoothed > threshold + 1e-9 * abs(threshold) as is_high,
        median(averages.value) over (
            partition by averages.job_id, averages.kind, averages.metric
            order by averages.point
            rows between limits.ending - 1 preceding and current row
        ) as usual
    from averages
    cross join limits
    where averages.kind = 'non_finite' or averages.point >= limits.warm_up
    window
        from_warm_up as (
            partition by averages.job_id, averages.kind, averages.metric
            order by averages.point
            rows between unbounded preceding and current row
        )
),

-- Lists from here, as DuckDB before 2.0 plans twice what lies below each window and grouping.
whole as (
    select
        job_id,
        kind,
        metric,
        any_value(last_loss) as last_loss,
        any_value(noise) as noise,
        any_value(persistence) as persistence,
        any_value(warm_up) as warm_up,
        any_value(ending) as ending,
        max(point) as all_points,
        arg_max(threshold, point) as last_threshold,
        list(
            {
                'point': point,
                'step': step,
                'value': value,
                'smoothed': smoothed,
                'threshold': threshold,
                'is_high': is_high,
                'usual': usual
            }
            order by point
        ) as curve
    from smoothed
    group by job_id, kind, metric
),

lows as (
    select
        *,
        list_transform(
            list_filter(curve, lambda one: one.usual <= last_threshold), lambda one: one.point
        ) as low
    from whole
),

-- a curve that was as high before, but for its noise, and came down, says nothing by its end
peaks as (
    select
        *,
        list_max(list_transform(
            list_filter(
                curve, lambda one: one.point between low[1] and low[-1] and not one.is_high
            ),
            lambda one: one.usual
        )) as usual_peak
    from lows
),

endings as (
    select
        *,
        case
            when
                kind <> 'non_finite'
                and all_points >= warm_up + ending
                and last_loss > last_threshold + 1e-9 * abs(last_threshold)
                and coalesce(
                    -- a median of seven varies by half the noise
                    last_loss > usual_peak + noise / 2 * if(kind = 'falling', 1, abs(usual_peak)),
                    true
                )
                then list_filter(
                    curve,
                    lambda one: one.point > all_points - ending
                    and one.value > one.threshold + 1e-9 * abs(one.threshold)
                )[1].point
        end as ending_from
    from peaks
),

found as (
    select
        job_id,
        kind,
        metric,
        last_loss,
        last_threshold,
        persistence,
        all_points,
        ending_from,
        unnest(
            list_transform(
                list_filter(
                    curve,
                    lambda one: kind = 'non_finite' or one.is_high or one.point >= ending_from
                ),
                lambda one, place: {
                    'run': case when kind <> 'non_finite' then one.point - place end,
                    'point': one.point,
                    'step': one.step,
                    'value': one.value,
                    'smoothed': one.smoothed,
                    'threshold': one.threshold,
                    'is_high': one.is_high
                }
            ),
            max_depth := 2
        )
    from endings
),

runs as (
    select
        job_id,
        kind,
        metric,
        min(step) as first_step,
        max(step) as last_step,
        min(point) as first_point,
        max(point) as last_point,
        any_value(all_points) as all_points,
        any_value(last_loss > last_threshold) as ends_high,
        any_value(persistence) as persistence,
        count(*) as points,
        case kind
            when 'non_finite' then arg_min(value, step)
            else coalesce(max(smoothed) filter (is_high), any_value(last_loss))
        end as worst,
        min(threshold) as threshold
    from found
    group by job_id, kind, metric, run
    having
        kind = 'non_finite'
        or bool_or(point >= ending_from)
        or (
            count(*) >= any_value(persistence)
            and median(value) > min(threshold) + 1e-9 * abs(min(threshold))
        )
),

-- what is back for fewer points than a run needs is not back
starts as (
    select
        *,
        coalesce(
            first_point - lag(last_point) over (
                partition by job_id, kind, metric order by first_point
            ) > persistence,
            true
        ) as is_start
    from runs
),

numbered_runs as (
    select
        *,
        count(*) filter (where is_start) over (
            partition by job_id, kind, metric order by first_point
        ) as run
    from starts
)

select
    job_id,
    kind,
    metric,
    min(first_step) as first_step,
    max(last_step) as last_step,
    sum(points)::bigint as points,
    case kind
        when 'rising' then max(worst)
        when 'falling' then -max(worst)
        else any_value(worst)
    end as worst,
    case kind
        when 'rising' then min(threshold)
        when 'falling' then -min(threshold)
    end as threshold,
    case
        when kind <> 'non_finite'
            then max(last_point) < any_value(all_points) or not any_value(ends_high)
    end as is_recovered
from numbered_runs
group by job_id, kind, metric, run
;

create or replace view divergences as
from divergences_of('loss_curves')
;

comment on view divergences is
    'Where did a loss or reward stop being a number, or stay far worse than its best?';
comment on column divergences.job_id is 'fine-tuning job [id]';
comment on column divergences.kind is
    'non_finite (NaN or infinite, a row for a metric), rising or falling (a row for a run) [text]';
comment on column divergences.metric is
    'of rising train_loss, of falling train_mean_reward, else any loss or mean reward [text]';
comment on column divergences.first_step is 'first step concerned [step]';
comment on column divergences.last_step is 'last step concerned [step]';
comment on column divergences.points is 'points concerned [point]';
comment on column divergences.worst is
    'worst smoothed loss or reward of the run, or median of the last; first that is no number [1]';
comment on column divergences.threshold is
    'smoothed loss above which, or reward below which it counted, NULL for non_finite [1]';
comment on column divergences.is_recovered is
    'true where points that are not beyond the threshold follow, NULL for non_finite [bool]';
