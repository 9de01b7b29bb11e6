-- Which metrics was each job told to have at a step, by an event or by a row of a result file?
--
-- Grain: job_id, event_id, step
-- Reads: stg_metrics, stg_results
-- Caveat: told_rank says whose number stands where a step has several: payloads (2) before result
--   files (1) before messages (0). Rows of result files have no event and no time.
create or replace view stg_told as
select
    *,
    false as from_result_file,
    case when from_message then 0 else 2 end as told_rank
from stg_metrics

union all by name

select
    *,
    false as from_message,
    true as from_result_file,
    1 as told_rank
from stg_results
;
