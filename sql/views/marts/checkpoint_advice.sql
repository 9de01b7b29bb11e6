-- Which checkpoint of each job should be deployed, and what does it gain over the last one?
--
-- Grain: job_id
-- Reads: stg_bests, stg_checkpoints, moderation, stg_milestones, stg_job_objects, stg_last_steps,
--   stg_metrics
-- Caveat: the deployable checkpoint with the best value of the metric of best_steps, at its own
--   step or, where that was not evaluated, at the last evaluation before it (value_step); among
--   equals, or where none has a finite value, one whose model is named, then the one nearest to the
--   best step. Where best_steps has to go by a sample, but the objects of all that can be used tell
--   their loss on the whole set, as OpenAI's of the last epochs do, that is compared. The last one,
--   if it is behind by no more than noise may make (tolerance). The model that the job made counts
--   as the checkpoint of its last step, also where the dump ends before that: of the steps that it
--   told, planned and kept the greatest. A checkpoint whose model a usage policy check blocked is
--   never advised, and if every one is, step is NULL; a block that names no model holds for all.
--   Jobs without checkpoint or validation have no row. Whether the provider still keeps the
--   checkpoint is not in the events.
create or replace view checkpoint_advice as
with
-- so that nothing above it is planned for what lies below it, twice for each window before 2.0
bests as materialized (
    from stg_bests
),

verdicts as (
    select
        job_id,
        model_id,
        try_cast(regexp_extract(model_id, ':ckpt-step-([0-9]+)$', 1) as bigint) as step,
        coalesce(bool_or(blocked), false) as is_blocked
    from moderation
    group by job_id, model_id
),

made as (
    select
        job_id,
        arg_max(made_model(message), place) as model_id
    from stg_milestones
    where lifecycle in ('model', 'succeeded')
    group by job_id
),

named as (
    select
        job_id,
        model_id
    from stg_job_objects
    where model_id is not null
),

finished as (
    select
        coalesce(named.job_id, made.job_id) as job_id,
        coalesce(named.model_id, made.model_id) as model_id
    from made
    full join named on made.job_id = named.job_id
),

plans as (
    select
        job_id,
        -- counted from 0, the last of n steps is n - 1, as in stg_step_gaps
        max({'at': step, 'steps': total_steps}) filter (where total_steps > 0).steps
        - coalesce(
            min(step) filter (
                where coalesce(train_loss, train_mean_token_accuracy, train_mean_reward) is not null
            ) = 0,
            false
        )::bigint as step
    from stg_metrics
    group by job_id
),

kept as (
    select
        job_id,
        max(step) as step
    from stg_checkpoints
    group by job_id
),

told as (
    select
        job_id,
        step,
        model_id,
        coalesce(told_at, created_at) as told_at,
        full_valid_loss,
        {
            'a': coalesce(created_at, '-infinity'::timestamptz),
            'b': checkpoint_id
        } as age,
        false as is_final
    from stg_checkpoints
    where step is not null

    union all by name

    select
        finished.job_id,
        -- a dump may end before the job did: its model is of no step before what it kept or planned
        greatest(steps.last_step, plans.step, kept.step) as step,
        finished.model_id,
        true as is_final
    from finished
    inner join stg_last_steps as steps on finished.job_id = steps.job_id
    left join plans on finished.job_id = plans.job_id
    left join kept on finished.job_id = kept.job_id
),

candidates as (
    select
        job_id,
        step,
        arg_max(model_id, {'a': told_at, 'b': model_id}) as told_model,
        arg_max(full_valid_loss, age) filter (where isfinite(full_valid_loss)) as whole_loss,
        bool_or(is_final) as is_final
    from told
    group by job_id, step
),

checked as (
    select
        candidates.job_id,
        candidates.step,
        candidates.whole_loss,
        max(coalesce(candidates.told_model, verdicts.model_id)) as model_id,
        coalesce(bool_or(verdicts.is_blocked), false) as is_blocked
    from candidates
    left join verdicts
        on
            candidates.job_id = verdicts.job_id
            and (
                verdicts.model_id is null
                or verdicts.model_id = candidates.told_model
                or verdicts.step = candidates.step
                or (verdicts.step is null and candidates.is_final)
            )
    group by all
),

valued as (
    select
        checked.*,
        bests.metric = 'valid_loss'
        and count(checked.whole_loss) filter (where not checked.is_blocked) over of_job > 1
        and bool_and(checked.is_blocked or checked.whole_loss is not null) over of_job
            as is_by_whole_set,
        if(is_by_whole_set, 'full_valid_loss', bests.metric) as metric,
        bests.higher_is_better,
        bests.best_step,
        bests.best_value,
        if(is_by_whole_set, 0, bests.tolerance) as tolerance,
        if(
            is_by_whole_set,
            {'step': checked.step, 'value': checked.whole_loss},
            list_max(list_filter(bests.judgements, lambda judged: judged.step <= checked.step))
        ) as latest
    from checked
    inner join bests on checked.job_id = bests.job_id
    window of_job as (partition by checked.job_id)
),

compared as (
    select
        *,
        case when higher_is_better then -latest.value else latest.value end as loss,
        min(case when not is_blocked then loss end) over (partition by job_id) as least
    from valued
),

ranked as (
    select
        *,
        {
            'is_worse': not coalesce(loss <= least + 1e-9 * abs(least), false),
            'is_nameless': model_id is null,
            'distance': abs(step - best_step),
            'step': step,
            'model_id': model_id,
            'value': latest.value,
            'value_step': latest.step,
            'is_near': coalesce(loss <= least + tolerance, false)
        } as choice
    from compared
),

choices as (
    select
        job_id,
        any_value(metric) as metric,
        bool_or(higher_is_better) as higher_is_better,
        any_value(best_step) as best_step,
        any_value(best_value) as best_value,
        any_value(tolerance) as tolerance,
        min(choice) filter (where not is_blocked) as first_choice,
        max({'step': choice.step, 'choice': choice}) filter (where not is_blocked) as latest,
        count(distinct choice.value_step)
            filter (where not is_blocked and choice.value is not null) as evaluated,
        count(*) as checkpoints,
        count(*) filter (where is_blocked) as blocked
    from ranked
    group by job_id
),

decided as (
    select
        *,
        if(
            latest.choice.is_near
            and (latest.choice.model_id is not null or first_choice.is_nameless),
            latest.choice,
            first_choice
        ) as best
    from choices
)

select
    job_id,
    metric,
    higher_is_better,
    best_step,
    best_value,
    best.step as step,
    best.model_id as model_id,
    best.value as value,
    best.value_step as value_step,
    best.distance as step_distance,
    latest.step as last_step,
    latest.choice.model_id as last_model_id,
    latest.choice.value as last_value,
    latest.choice.value_step as last_value_step,
    case
        when abs(last_value - best.value) <= 1e-9 * abs(last_value) then 0
        else abs(last_value - best.value)
    end as gain,
    case when last_value <> 0 then 100 * gain / abs(last_value) end as gain_share,
    tolerance,
    checkpoints,
    evaluated,
    blocked
from decided
;

comment on view checkpoint_advice is
    'Which checkpoint of each job should be deployed, and what does it gain over the last one?';
comment on column checkpoint_advice.job_id is 'fine-tuning job [id]';
comment on column checkpoint_advice.metric is
    'what is compared: as in best_steps, or full_valid_loss where each to use has its own [text]';
comment on column checkpoint_advice.higher_is_better is
    'true for a reward, false for a loss [bool]';
comment on column checkpoint_advice.best_step is 'best step of the job, of all its steps [step]';
comment on column checkpoint_advice.best_value is
    'the metric of best_steps at that step [unit of the metric]';
comment on column checkpoint_advice.step is
    'step of the checkpoint to deploy, NULL where every one is blocked [step]';
comment on column checkpoint_advice.model_id is
    'model to use it by, NULL where nothing names it [id]';
comment on column checkpoint_advice.value is
    'the metric there, NULL where it was not finite or not yet evaluated [unit of the metric]';
comment on column checkpoint_advice.value_step is 'the evaluation the value is of [step]';
comment on column checkpoint_advice.step_distance is
    'steps between the checkpoint and the best step [step]';
comment on column checkpoint_advice.last_step is 'step of the last checkpoint not blocked [step]';
comment on column checkpoint_advice.last_model_id is
    'model of the last checkpoint not blocked, NULL where nothing names it [id]';
comment on column checkpoint_advice.last_value is
    'the metric at the last checkpoint not blocked [unit of the metric]';
comment on column checkpoint_advice.last_value_step is
    'step of the evaluation that last_value is of [step]';
comment on column checkpoint_advice.gain is
    'how much better the advised one is than the last one [unit of the metric]';
comment on column checkpoint_advice.gain_share is
    'the gain in percent of the last value, NULL where that is 0 [%]';
comment on column checkpoint_advice.tolerance is
    'difference of two values that may be noise, 0 where not smoothed [unit of the metric]';
comment on column checkpoint_advice.evaluated is
    'evaluations that tell of those not blocked: of one, none is told to be better [evaluation]';
comment on column checkpoint_advice.checkpoints is
    'checkpoints, the model of the last step included [checkpoint]';
comment on column checkpoint_advice.blocked is
    'of them, those that a usage policy check blocked [checkpoint]';
