-- Which metrics did each event give for a step, from its payload or else from its message?
--
-- Grain: job_id, event_id
-- Reads: lake_events, stg_spoken
-- Caveat: the message speaks only for an event without payload (absent, null or {}), marked by
--   from_message. Its numbers are rounded, OpenAI's to 2 decimals: a loss of 0.00 is one under
--   0.005. All these events have one lifecycle rank, so (created_at, ordinal, event_id) is the
--   order in time among the events of a step.
create or replace view stg_metrics as
select
    * exclude (
        level, type, message, other_metrics, data, extra, misfits, object, dialect, stream_id,
        source_id, position, "offset"
    ),
    false as from_message
from lake_events
-- two columns, so that the scan leaves it: with a condition it would not take another later, as
-- that on the job for loss_curves, which holds what it asks for twice
where (step <= ordinal) is not null

union all by name

select
    *,
    true as from_message
from stg_spoken
;
