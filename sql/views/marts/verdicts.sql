-- Did each job keep each rule, and if not: where first, by how much, and how is it seen?
--
-- Grain: job_id, rule
-- Reads: jobs, errors, loss_curves, divergences, overfitting, loss_spikes, stalls, data_quality,
--   thresholds
-- Caveat: of several findings the first is told, and findings counts them. Where a job gives too
--   little to judge by, a rule is not applicable, and the evidence says what is lacking. error
--   trips where the job failed or any event tells an error, also if the job went on after it.
--   gap is of steps that the dump lacks, which tells nothing of the training.
create or replace view verdicts as
with needs as (
    select
        max(value) filter (where threshold = 'least_evaluations') as overfit,
        sum(value) filter (
            where detector = 'divergences' and threshold in ('warm_up', 'persistence')
        ) - 1 as divergence,
        max(value) filter (where detector = 'loss_spikes' and threshold = 'warm_up') + 1 as spike,
        max(value) filter (where threshold = 'least_gaps') + 1 as stall
    from thresholds
),

curves as (
    select
        job_id,
        count(*) as steps,
        sum(events) as times,
        count(*) filter (where isfinite(train_loss)) as train_losses,
        greatest(
            count(*) filter (where isfinite(valid_loss)),
            count(*) filter (where isfinite(full_valid_loss))
        ) as valid_losses,
        count(coalesce(
            train_loss,
            valid_loss,
            full_valid_loss,
            train_mean_reward,
            valid_mean_reward,
            full_valid_mean_reward
        )) as numbers
    from loss_curves
    group by job_id
),

bases as (
    select
        jobs.job_id,
        unnest([
            {'rule': 'error', 'given': jobs.events, 'needed': 1, 'what': 'events'},
            {
                'rule': 'nan',
                'given': curves.numbers,
                'needed': 1,
                'what': 'steps with a loss or reward'
            },
            {
                'rule': 'divergence',
                'given': curves.train_losses,
                'needed': needs.divergence,
                'what': 'training losses'
            },
            {
                'rule': 'overfit',
                'given': curves.valid_losses,
                'needed': needs.overfit,
                'what': 'validation losses'
            },
            {
                'rule': 'spike',
                'given': curves.train_losses,
                'needed': needs.spike,
                'what': 'training losses'
            },
            {
                'rule': 'stall',
                'given': case when jobs.dialect <> 'azure' then curves.times end,
                'needed': needs.stall,
                'what': 'true times of steps'
            },
            {'rule': 'gap', 'given': curves.steps, 'needed': 2, 'what': 'steps'}
        ], recursive := true)
    from jobs
    cross join needs
    left join curves on jobs.job_id = curves.job_id
),

first_errors as (
    select
        job_id,
        arg_min(
            message,
            {'a': created_at, 'b': lifecycle_rank, 'c': ordinal, 'd': event_id}
        ) as message
    from errors
    group by job_id
),

failures as (
    select
        jobs.job_id,
        'error' as rule,
        greatest(jobs.errors, 1) as findings,
        jobs.last_step as step,
        jobs.errors::double as value,
        0::double as threshold,
        'event' as unit,
        regexp_replace(
            case
                when jobs.status = 'failed'
                    then coalesce(jobs.outcome_message, first_errors.message)
                else first_errors.message
            end,
            '\s+', ' ', 'g'
        ) as told,
        concat(
            jobs.status,
            coalesce(printf(' at step %d', jobs.last_step), ' before any step'),
            if(jobs.status = 'failed', '', ', yet told an error'),
            if(jobs.errors > 1, printf(', one of %d', jobs.errors), ''),
            ': ',
            if(length(told) > 200, told[:199] || '…', told)
        ) as evidence
    from jobs
    left join first_errors on jobs.job_id = first_errors.job_id
    where jobs.status = 'failed' or jobs.errors > 0
),

no_numbers as (
    select
        job_id,
        'nan' as rule,
        sum(points) over (partition by job_id) as findings,
        first_step as step,
        findings::double as value,
        0::double as threshold,
        'point' as unit,
        concat(
            printf('%s is %s at step %d', metric, worst::varchar, first_step),
            if(findings > 1, printf(', one of %d such points', findings), '')
        ) as evidence
    from divergences
    where kind = 'non_finite'
    qualify row_number() over (partition by job_id order by first_step, metric) = 1
),

rises as (
    select
        job_id,
        'divergence' as rule,
        count(*) over (partition by job_id) as findings,
        first_step as step,
        worst as value,
        threshold,
        '1' as unit,
        printf(
            'smoothed training loss rose above %.4g at step %d, to %.4g, for %d points',
            threshold, first_step, worst, points
        ) as evidence
    from divergences
    where kind = 'rising'
    qualify row_number() over (partition by job_id order by first_step) = 1
),

overfits as (
    select
        job_id,
        'overfit' as rule,
        1 as findings,
        risen_since_step as step,
        last_loss as value,
        threshold,
        '1' as unit,
        concat(
            printf('%s rose from its best, %.4g at step %d,', metric, best_loss, best_step),
            printf(' to %.4g at the end', last_loss),
            case
                when generalisation_loss is not null
                    then printf(' (+%.0f%%, %s)', generalisation_loss, severity)
            end,
            printf(', above %.4g', threshold)
        ) as evidence
    from overfitting
    where is_overfit
),

spikes as (
    select
        job_id,
        'spike' as rule,
        count(*) over (partition by job_id) as findings,
        first_step as step,
        peak_loss as value,
        threshold,
        '1' as unit,
        concat(
            printf('training loss leapt to %.4g at step %d', peak_loss, peak_step),
            printf(' from a usual %.4g, above %.4g', usual_loss, threshold),
            if(is_recovered, ', and came back', ', and did not come back at once')
        ) as evidence
    from loss_spikes
    qualify row_number() over (partition by job_id order by first_step) = 1
),

standstills as (
    select
        job_id,
        'stall' as rule,
        count(*) over (partition by job_id) as findings,
        after_step as step,
        seconds as value,
        threshold,
        's' as unit,
        concat(
            if(kind = 'silent', 'silent for ', 'stood still for '),
            case
                when seconds < 7200 then printf('%.0f min', seconds / 60)
                when seconds < 172800 then printf('%.1f h', seconds / 3600)
                else printf('%.1f days', seconds / 86400)
            end,
            printf(' after step %d, where a step takes %.4g s', after_step, usual_seconds)
        ) as evidence
    from stalls
    qualify row_number() over (partition by job_id order by after_step_at) = 1
),

gaps as (
    select
        job_id,
        'gap' as rule,
        1 as findings,
        try_cast(regexp_extract(example, 'between (\d+)', 1) as bigint) as step,
        occurrences::double as value,
        0::double as threshold,
        'step' as unit,
        printf('the dump lacks %d steps, the first %s', occurrences, example) as evidence
    from data_quality
    where problem = 'missing_steps'
),

findings as (
    select * exclude (told) from failures
    union all by name
    from no_numbers
    union all by name
    from rises
    union all by name
    from overfits
    union all by name
    from spikes
    union all by name
    from standstills
    union all by name
    from gaps
)

select
    bases.job_id,
    bases.rule,
    case
        when findings.rule is not null then 'tripped'
        when coalesce(bases.given, 0) < bases.needed then 'not applicable'
        else 'ok'
    end as verdict,
    coalesce(findings.findings, 0)::bigint as findings,
    findings.step,
    findings.value,
    findings.threshold,
    findings.unit,
    case
        when findings.rule is not null then findings.evidence
        when coalesce(bases.given, 0) = 0 then concat('no ', bases.what)
        when bases.given < bases.needed
            then printf('%d %s, %d needed', bases.given, bases.what, bases.needed::bigint)
        else printf('nothing in %d %s', bases.given, bases.what)
    end as evidence
from bases
left join findings on bases.job_id = findings.job_id and bases.rule = findings.rule
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
comment on column verdicts.threshold is 'value above which the rule trips [unit of the value]';
comment on column verdicts.unit is
    'unit of value and threshold, 1 for losses; NULL where nothing was found [text]';
comment on column verdicts.evidence is
    'what was found, was looked through, or is lacking, in words [text]';
