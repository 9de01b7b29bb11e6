-- What did the curve, or a checkpoint object, tell of validation at each step?
--
-- Grain: job_id, metric, step
-- Reads: loss_curves, stg_checkpoint_objects
-- Caveat: what the curve lacks at the step of a checkpoint is that of its object, the newest of
--   several: OpenAI often tells the losses of earlier checkpoints on the whole validation set by
--   these alone.
create or replace macro validations_of(curves) as table
with told as (
    select
        job_id,
        step,
        full_valid_loss,
        valid_loss,
        full_valid_mean_reward,
        valid_mean_reward,
        null as checkpoint
    from query_table(curves)

    union all by name

    select
        job_id,
        step,
        full_valid_loss,
        valid_loss,
        full_valid_mean_reward,
        {
            'a': coalesce(created_at, '-infinity'::timestamptz),
            'b': checkpoint_id
        } as checkpoint
    from stg_checkpoint_objects
    where step is not null
),

-- by name: of what stands inside an unpivot the engine makes a plan twice
given as (
    unpivot told
    on columns(* exclude (job_id, step, checkpoint))
    into name metric value value
)

select
    job_id,
    metric,
    step,
    value
from given
qualify
    lag(true) over (
        partition by job_id, metric, step
        order by checkpoint desc nulls first
    ) is null
;

create or replace view stg_validations as
from validations_of('loss_curves')
;
