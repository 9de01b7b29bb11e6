-- Question: which result files do the job objects of the lake name?
-- Grain:    one row per state of a job that names some
-- Reads:    held
select
    job_id,
    json_extract(content, '$.result_files')::varchar as files
from held
where kind = 'job' and json_extract(content, '$.result_files') is not null
