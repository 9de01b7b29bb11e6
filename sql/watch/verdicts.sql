-- What speaks against each job, in words: a row for each kind of finding.
-- Grain: job_id, rule
-- Reads: overfitting, divergences, loss_spikes, errors

with
overfit as (
  select
    job_id,
    'overfit' as rule,
    best_step as step,
    metric || ' was least at step ' || best_step || ' and has risen since' as evidence
  from overfitting
  where is_overfit
),

diverged as (
  select
    job_id,
    kind as rule,
    min(first_step) as step,
    arg_min(metric || ' from step ' || first_step || ' on', (first_step, metric)) as evidence
  from divergences
  group by job_id, kind
),

spiked as (
  select
    job_id,
    'spike' as rule,
    min(first_step) as step,
    count(*) || ' spikes of train_loss, the first at step ' || min(first_step) as evidence
  from loss_spikes
  group by job_id
),

failed as (
  select
    job_id,
    'error' as rule,
    null as step,
    arg_max(message, (created_at, lifecycle_rank, ordinal, event_id)) as evidence
  from errors
  group by job_id
)

from overfit
union all by name
from diverged
union all by name
from spiked
union all by name
from failed
