-- Did each job keep each rule, and if not: where first, by how much, and how is it seen?
--
-- Grain: job_id, rule
-- Reads: stg_job_states, loss_curves, stg_checkpoint_objects, divergences, overfitting,
--   loss_spikes, stalls, stg_step_gaps, thresholds
-- Caveat: of several findings the first is told (of divergences the one that lasts, else the
--   longest), and findings counts them. Where a job gives too
--   little to judge by, a rule is not applicable, and the evidence says what is lacking. error
--   trips where the job failed or any event tells an error, also if the job went on after it.
--   gap is of steps that the dump lacks, which tells nothing of the training.
create or replace view verdicts as
with
-- every rule that goes by it asks the same one
curve as materialized (
    from loss_curves
),

needs as (
    select
        max(value) filter (where threshold in ('least_evaluations', 'least_window')) as overfit,
        max(value) filter (where threshold = 'least_full_evaluations') as full_overfit,
        sum(value) filter (
            where detector = 'divergences' and threshold in ('warm_up', 'ending')
        ) as divergence,
        max(value) filter (where detector = 'divergences' and threshold = 'persistence') as run,
        max(value) filter (where threshold = 'least_before') + 1 as spike,
        max(value) filter (where threshold = 'least_gaps') + 1 as stall
    from thresholds
),

-- what only checkpoint objects tell is validated, too, and is no step
evaluated as (
    select
        *,
        true as is_step
    from curve

    union all by name

    select
        job_id,
        step,
        valid_loss,
        full_valid_loss,
        full_valid_mean_reward,
        false as is_step
    from stg_checkpoint_objects
    where step is not null
),

curves as (
    select
        job_id,
        max(step) filter (where is_step) as last_step,
        max(first_created_at) as last_step_at,
        max(first_created_at, 4)[4] as went_on_at,
        count(*) filter (where is_step) as steps,
        -- of jobs that were only evaluated, these: as in stg_step_times
        coalesce(
            nullif(count(*) filter (
                where
                    events > 0
                    and (
                        coalesce(train_loss, train_mean_reward) is not null
                        or coalesce(
                            valid_loss, full_valid_loss, valid_mean_reward, full_valid_mean_reward
                        ) is null
                    )
            ), 0),
            count(*) filter (where events > 0)
        ) as times,
        count(*) filter (where isfinite(train_loss)) as train_losses,
        count(*) filter (where isfinite(train_mean_reward)) as train_rewards,
        -- each step once, by lists: distinct counts would see the rows without a value as well
        len(list_distinct(list(step) filter (where isfinite(full_valid_loss))))
            as full_valid_losses,
        greatest(
            len(list_distinct(list(step) filter (where isfinite(valid_loss)))),
            full_valid_losses,
            0
        ) as valid_losses,
        greatest(
            len(list_distinct(list(step) filter (where isfinite(valid_mean_reward)))),
            len(list_distinct(list(step) filter (where isfinite(full_valid_mean_reward)))),
            0
        ) as valid_rewards,
        count(coalesce(
            train_loss,
            valid_loss,
            full_valid_loss,
            train_mean_reward,
            valid_mean_reward,
            full_valid_mean_reward
        )) filter (where is_step) as numbers
    from evaluated
    group by job_id
),

trends as (
    select
        job_id,
        sum(points) filter (where kind = 'non_finite') as numberless,
        min({'step': first_step, 'metric': metric, 'worst': worst})
            filter (where kind = 'non_finite') as numberless_first,
        count(*) filter (where kind <> 'non_finite') as runs,
        -- the one that lasts, else the longest
        max({
            'is_last': not is_recovered,
            'points': points,
            'step': -first_step,
            'last_step': last_step,
            'kind': kind,
            'worst': worst,
            'threshold': threshold
        }) filter (where kind <> 'non_finite') as run
    from divergences_of('curve')
    group by job_id
),

spikes as (
    select
        job_id,
        count(*) as spikes,
        min({
            'step': first_step,
            'last_step': last_step,
            'points': points,
            'peak_step': peak_step,
            'peak_loss': peak_loss,
            'usual_loss': usual_loss,
            'threshold': threshold,
            'is_recovered': is_recovered
        }) as spike
    from spikes_of('curve')
    group by job_id
),

standstills as (
    select
        job_id,
        count(*) as standstills,
        min({
            'at': after_step_at,
            'step': after_step,
            'kind': kind,
            'seconds': seconds,
            'threshold': threshold,
            'usual_seconds': usual_seconds
        }) as standstill
    from stalls
    group by job_id
),

-- of each rule: what it goes by, how much of that the job gives, and what was found
ruled as (
    select
        jobs.job_id,
        if(
            jobs.status = 'failed',
            coalesce(
                reason_of(
                    jobs.problems, jobs.ended_at, curves.last_step_at, curves.went_on_at
                ).message,
                jobs.outcome_message
            ),
            jobs.first_error
        ) as error,
        regexp_replace(error, '\s+', ' ', 'g') as told,
        [
            {
                'rule': 'error',
                'given': jobs.events,
                'needed': 1,
                'what': ['event', 'events'],
                'findings': case
                    when jobs.status = 'failed' or jobs.errors > 0 then greatest(jobs.errors, 1)
                end,
                'step': curves.last_step,
                'value': greatest(jobs.errors, 1)::double,
                'threshold': 0::double,
                'unit': 'event',
                'evidence': concat(
                    jobs.status,
                    coalesce(
                        printf(' at step %d', curves.last_step),
                        -- an object, a webhook or the last events alone do not tell
                        if(jobs.is_untrained, ' before any step', '')
                    ),
                    if(jobs.status = 'failed', '', ', yet told an error'),
                    if(jobs.errors > 1, printf(', one of %d errors', jobs.errors), ''),
                    coalesce(
                        ': ' || if(length(told) > 200, told[:199] || '…', nullif(told, '')),
                        if(jobs.status = 'failed', ', and nothing tells why', '')
                    )
                )
            },
            {
                'rule': 'nan',
                'given': curves.numbers,
                'needed': 1,
                'what': ['step with a loss or reward', 'steps with a loss or reward'],
                'findings': trends.numberless,
                'step': trends.numberless_first.step,
                'value': trends.numberless::double,
                'threshold': 0::double,
                'unit': 'point',
                'evidence': concat(
                    printf(
                        '%s is %s at step %d',
                        trends.numberless_first.metric,
                        trends.numberless_first.worst::varchar,
                        trends.numberless_first.step
                    ),
                    if(
                        trends.numberless > 1,
                        printf(', one of %d such points', trends.numberless::bigint),
                        ''
                    )
                )
            },
            {
                'rule': 'divergence',
                'given': greatest(curves.train_losses, curves.train_rewards),
                'needed': needs.divergence,
                'what': if(
                    curves.train_rewards > curves.train_losses,
                    ['training reward', 'training rewards'],
                    ['training loss', 'training losses']
                ),
                'findings': nullif(trends.runs, 0),
                'step': -trends.run.step,
                'value': trends.run.worst,
                'threshold': trends.run.threshold,
                'unit': '1',
                'evidence': concat(
                    -- fewer points are an end that the average does not yet follow
                    printf(
                        case
                            when trends.run.points >= needs.run and trends.run.kind = 'rising'
                                then 'smoothed training loss rose above %.4g at step %d, to %.4g'
                            when trends.run.points >= needs.run
                                then
                                    'smoothed mean training reward fell below %.4g at step %d, '
                                    || 'to %.4g'
                            when trends.run.kind = 'rising'
                                then
                                    'training loss is mostly above %.4g from step %d on, '
                                    || 'smoothed %.4g'
                            else
                                'mean training reward is mostly below %.4g from step %d on, '
                                || 'smoothed %.4g'
                        end,
                        trends.run.threshold,
                        -trends.run.step,
                        trends.run.worst
                    ),
                    if(trends.run.points > 1, printf(', for %d points', trends.run.points), ''),
                    if(
                        trends.run.is_last,
                        ', to the end',
                        printf(', and came back after step %d', trends.run.last_step)
                    ),
                    if(trends.runs > 1, printf(', one of %d', trends.runs), '')
                )
            },
            {
                'rule': 'overfit',
                'given': greatest(curves.valid_losses, curves.valid_rewards),
                'needed': if(
                    curves.full_valid_losses >= needs.full_overfit,
                    needs.full_overfit,
                    needs.overfit
                ),
                -- of a job that was never validated, what its training gives
                'what': if(
                    (curves.valid_rewards, curves.train_rewards)
                    > (curves.valid_losses, curves.train_losses),
                    ['validation reward', 'validation rewards'],
                    ['validation loss', 'validation losses']
                ),
                'findings': case when overfits.is_overfit then 1 end,
                'step': overfits.risen_since_step,
                'value': overfits.last_value,
                'threshold': overfits.threshold,
                'unit': '1',
                'evidence': concat(
                    if(overfits.metric = 'full_valid_loss', '', 'smoothed '),
                    overfits.metric,
                    if(overfits.metric like '%_loss', ' rose', ' fell'),
                    printf(' from its best, %.4g ', overfits.best_value),
                    if(overfits.metric = 'full_valid_loss', 'at', 'about'),
                    printf(' step %d', overfits.best_step),
                    printf(', to %.4g', overfits.last_value),
                    ' at the end',
                    printf(
                        if(
                            overfits.generalisation_loss < 1e6,
                            ' (%s%.0f%%, %s)',
                            ' (%s%.4g%%, %s)'
                        ),
                        if(overfits.metric like '%_loss', '+', '-'),
                        overfits.generalisation_loss,
                        overfits.severity
                    ),
                    if(overfits.metric like '%_loss', ', above', ', below'),
                    printf(' %.4g', overfits.threshold)
                )
            },
            {
                'rule': 'spike',
                'given': curves.train_losses,
                'needed': needs.spike,
                'what': ['training loss', 'training losses'],
                'findings': spikes.spikes,
                'step': spikes.spike.step,
                'value': spikes.spike.peak_loss,
                'threshold': spikes.spike.threshold,
                'unit': '1',
                'evidence': concat(
                    printf('training loss leapt to %.4g', spikes.spike.peak_loss),
                    printf(' at step %d', spikes.spike.peak_step),
                    printf(' from a usual %.4g', spikes.spike.usual_loss),
                    printf(', above %.4g', spikes.spike.threshold),
                    if(
                        spikes.spike.points > 1,
                        printf(', for %d points', spikes.spike.points),
                        ''
                    ),
                    -- what stays for half a window is usual from there on
                    if(
                        spikes.spike.points > 1
                        and not spikes.spike.is_recovered
                        and spikes.spike.last_step < curves.last_step,
                        ' or more',
                        ''
                    ),
                    if(
                        spikes.spike.peak_step > spikes.spike.step,
                        printf(' from step %d on', spikes.spike.step),
                        ''
                    ),
                    case
                        when spikes.spike.is_recovered then ', and came back'
                        when spikes.spike.last_step = curves.last_step then ', to the end'
                        else ', and did not come back at once'
                    end,
                    if(spikes.spikes > 1, printf(', one of %d', spikes.spikes), '')
                )
            },
            {
                'rule': 'stall',
                'given': case when jobs.dialect <> 'azure' then curves.times end,
                'needed': needs.stall,
                'what': ['true time of a step', 'true times of steps'],
                'findings': standstills.standstills,
                'step': standstills.standstill.step,
                'value': standstills.standstill.seconds,
                'threshold': standstills.standstill.threshold,
                'unit': 's',
                'evidence': concat(
                    if(standstills.standstill.kind = 'silent', 'silent for ', 'stood still for '),
                    case
                        when standstills.standstill.seconds < 7200
                            then printf('%.0f min', standstills.standstill.seconds / 60)
                        when standstills.standstill.seconds < 172800
                            then printf('%.1f h', standstills.standstill.seconds / 3600)
                        else printf('%.1f days', standstills.standstill.seconds / 86400)
                    end,
                    printf(' after step %d', standstills.standstill.step),
                    -- which may be another job's, in another file of the same command
                    if(standstills.standstill.kind = 'silent', ', up to the last event dumped', ''),
                    -- not what a step takes: of some jobs each tenth is logged
                    printf(
                        ', where the next usually comes after %.4g s',
                        standstills.standstill.usual_seconds
                    ),
                    if(
                        standstills.standstills > 1,
                        printf(', one of %d', standstills.standstills),
                        ''
                    )
                )
            },
            {
                'rule': 'gap',
                'given': curves.steps,
                'needed': 2,
                'what': ['step', 'steps'],
                'findings': case when gaps.missing_steps > 0 then 1 end,
                'step': gaps.after_step,
                'value': gaps.missing_steps::double,
                'threshold': 0::double,
                'unit': 'step',
                'evidence': concat(
                    if(
                        gaps.missing_steps = 1,
                        'the dump lacks 1 step, ',
                        printf('the dump lacks %d steps, the first ', gaps.missing_steps)
                    ),
                    coalesce(
                        printf('between %d and %d', gaps.after_step, gaps.before_step),
                        printf('after %d', gaps.after_step)
                    )
                )
            }
        ] as rules
    from stg_job_states as jobs
    cross join needs
    left join curves on jobs.job_id = curves.job_id
    left join trends on jobs.job_id = trends.job_id
    left join overfitting_of('curve') as overfits on jobs.job_id = overfits.job_id
    left join spikes on jobs.job_id = spikes.job_id
    left join standstills on jobs.job_id = standstills.job_id
    left join stg_step_gaps as gaps on jobs.job_id = gaps.job_id
),

judged as (
    select
        job_id,
        unnest(rules) as judged
    from ruled
),

worded as (
    select
        *,
        judged.what[if(judged.given = 1, 1, 2)] as counted
    from judged
)

select
    job_id,
    judged.rule as rule,
    case
        when judged.findings is not null then 'tripped'
        when coalesce(judged.given, 0) < judged.needed then 'not applicable'
        else 'ok'
    end as verdict,
    coalesce(judged.findings, 0)::bigint as findings,
    case when judged.findings is not null then judged.step end as step,
    case when judged.findings is not null then judged.value end as value,
    case when judged.findings is not null then judged.threshold end as threshold,
    case when judged.findings is not null then judged.unit end as unit,
    case
        when judged.findings is not null then judged.evidence
        when coalesce(judged.given, 0) = 0 then concat('no ', judged.what[2])
        when judged.given < judged.needed
            then printf('%d %s, %d needed', judged.given, counted, judged.needed::bigint)
        else printf('nothing in %d %s', judged.given, counted)
    end as evidence
from worded
;

comment on view verdicts is
    'Did each job keep each rule, and if not: where first, by how much, and how is it seen?';
comment on column verdicts.job_id is 'fine-tuning job [id]';
comment on column verdicts.rule is
    'error, nan, divergence, overfit, spike, stall or gap [text]';
comment on column verdicts.verdict is 'ok, tripped or not applicable [text]';
comment on column verdicts.findings is 'findings of the rule in the job, 0 where ok [1]';
comment on column verdicts.step is
    'step of the first finding; of a stall, the step before it; of an error, the last step [step]';
comment on column verdicts.value is
    'what was found there, NULL where nothing was [unit of the value]';
comment on column verdicts.threshold is
    'value above which, of a reward below which, the rule trips [unit of the value]';
comment on column verdicts.unit is
    'unit of value and threshold, 1 for losses; NULL where nothing was found [text]';
comment on column verdicts.evidence is
    'what was found, was looked through, or is lacking, in words [text]';
