-- Which job of its kind did best?
--
-- Grain: job_id
-- Order: method, metric, rank, job_id
-- Reads: stg_job_states, stg_methods, stg_last_steps, best_steps
-- Caveat: ranked within method and metric by the best value of best_steps; equal values share a
--   rank. Jobs over different data are ranked all the same, since events do not tell the data. A
--   job that trained but was never validated has no rank. The best is not what was deployed:
--   last_value is what the last evaluation gave.
create or replace view leaderboard as
with trained as (
    select
        jobs.job_id,
        methods.method,
        bests.metric,
        bests.higher_is_better,
        bests.best_value,
        bests.best_step,
        bests.last_value,
        bests.regret,
        case when bests.higher_is_better then -bests.best_value else bests.best_value end as loss,
        jobs.status,
        steps.last_step,
        epoch(jobs.ended_at) - epoch(jobs.started_at) as run_seconds,
        jobs.started_at,
        jobs.model_id
    from stg_job_states as jobs
    inner join stg_last_steps as steps on jobs.job_id = steps.job_id
    left join stg_methods as methods on jobs.job_id = methods.job_id
    left join best_steps as bests on jobs.job_id = bests.job_id
)

select
    job_id,
    method,
    metric,
    case when loss is not null then rank() over (partition by method, metric order by loss) end
        as rank,
    count(*) over (partition by method, metric) as jobs,
    higher_is_better,
    best_value,
    best_step,
    loss - min(loss) over (partition by method, metric) as behind,
    last_value,
    regret,
    status,
    last_step,
    run_seconds,
    started_at,
    model_id
from trained
;

comment on view leaderboard is 'Which job of its kind did best?';
comment on column leaderboard.job_id is 'fine-tuning job [id]';
comment on column leaderboard.method is 'supervised, preference or reinforcement [text]';
comment on column leaderboard.metric is 'what is compared, NULL where never validated [text]';
comment on column leaderboard.rank is
    'rank among the jobs of this method and metric, 1 for the best [1]';
comment on column leaderboard.jobs is 'jobs of this method and metric [job]';
comment on column leaderboard.higher_is_better is 'true for a reward, false for a loss [bool]';
comment on column leaderboard.best_value is
    'best value of the metric, as in best_steps [unit of the metric]';
comment on column leaderboard.best_step is 'step with the best value [step]';
comment on column leaderboard.behind is
    'how much worse it is than the best of the first [unit of the metric]';
comment on column leaderboard.last_value is
    'the metric at the last evaluation [unit of the metric]';
comment on column leaderboard.regret is
    'how much worse the last value is than the best [unit of the metric]';
comment on column leaderboard.status is 'how the job ended, as in jobs [text]';
comment on column leaderboard.last_step is 'greatest step with metrics [step]';
comment on column leaderboard.run_seconds is 'from start to end [s]';
comment on column leaderboard.started_at is 'start of training, else the first step [UTC]';
comment on column leaderboard.model_id is 'model it made, by its object or messages [id]';
