-- Which step of each job was best, and how much worse is the last one?
--
-- Grain: job_id
-- Reads: stg_bests
-- Caveat: by the first of full_valid_loss, valid_loss, full_valid_mean_reward and valid_mean_reward
--   with two finite values or more that span half of the steps that any of them spans; else by one
--   with less. Of nine evaluations and more all but full_valid_loss are smoothed, by medians of
--   three, of 48 and more by the means of these (stg_evaluations). What the curve lacks is taken
--   from checkpoint objects. A job that was never validated has no row. NaN and infinities never
--   win: where the last value is one, the regret is NULL. Among equals, to nine digits, the step
--   wins whose own value is better, then the earliest. last_step is the last evaluation, which need
--   not be the last step.
create or replace view best_steps as
select * exclude (judgements)
from stg_bests
;

comment on view best_steps is
    'Which step of each job was best, and how much worse is the last one?';
comment on column best_steps.job_id is 'fine-tuning job [id]';
comment on column best_steps.metric is
    'full_valid_loss, valid_loss, full_valid_mean_reward or valid_mean_reward [text]';
comment on column best_steps.higher_is_better is 'true for a reward, false for a loss [bool]';
comment on column best_steps.is_smoothed is
    'true where the values are medians of neighbouring evaluations [bool]';
comment on column best_steps.best_step is 'step with the best value [step]';
comment on column best_steps.best_value is 'the metric at that step [unit of the metric]';
comment on column best_steps.last_step is 'last step with a value of the metric [step]';
comment on column best_steps.last_value is
    'the metric at the last step; NaN and infinities as they are [unit of the metric]';
comment on column best_steps.regret is
    'how much worse the last value is than the best, NULL if not finite [unit of the metric]';
comment on column best_steps.regret_share is
    'the regret in percent of the best value, NULL where that is 0 [%]';
comment on column best_steps.evaluations is 'finite values of the metric [evaluation]';
comment on column best_steps.tolerance is
    'difference of two values that may be noise, 0 where not smoothed [unit of the metric]';
