-- What do job objects say of each job: its status, model, method, files, times and error?
--
-- Grain: job_id
-- Reads: lake_companions
-- Columns: job_id, status varchar, status_rank integer, created_at timestamptz, finished_at
--   timestamptz, base_model varchar, model_id varchar, method varchar, n_epochs double, batch_size
--   double, learning_rate_multiplier double, hyperparameters varchar, training_file varchar,
--   validation_file varchar, result_file varchar, trained_tokens bigint, seed bigint, suffix
--   varchar, error_code varchar, error_param varchar, error_message varchar
-- Caveat: an object is a job in one state; dumps hold several. Each column is that of the newest
--   state that has it: the further status (a final one before running before queued before
--   validating), then the later end, the more fields, the greater text, so that the order of
--   arrival decides nothing. A setting of auto is NULL; hyperparameters has it as sent.
-- Source: OpenAI API reference, FineTuningJob; Azure OpenAI, fine-tuning jobs.
create or replace view stg_job_objects as
with objects as (
    select
        job_id,
        content,
        json_transform(content, '{
            "status": "VARCHAR",
            "model": "VARCHAR",
            "fine_tuned_model": "VARCHAR",
            "created_at": "BIGINT",
            "finished_at": "BIGINT",
            "method": {
                "type": "VARCHAR",
                "supervised": {"hyperparameters": "JSON"},
                "dpo": {"hyperparameters": "JSON"},
                "reinforcement": {"hyperparameters": "JSON"}
            },
            "hyperparameters": "JSON",
            "training_file": "VARCHAR",
            "validation_file": "VARCHAR",
            "result_files": ["VARCHAR"],
            "trained_tokens": "BIGINT",
            "seed": "BIGINT",
            "suffix": "VARCHAR",
            "user_provided_suffix": "VARCHAR",
            "error": {"code": "VARCHAR", "param": "VARCHAR", "message": "VARCHAR"}
        }') as told
    from lake_companions
    where kind = 'job'
),

settings as (
    select
        *,
        coalesce(
            told.hyperparameters,
            told.method.supervised.hyperparameters,
            told.method.dpo.hyperparameters,
            told.method.reinforcement.hyperparameters
        ) as sent,
        coalesce(
            told.method.supervised.hyperparameters,
            told.method.dpo.hyperparameters,
            told.method.reinforcement.hyperparameters,
            told.hyperparameters
        ) as asked,
        case lower(told.status)
            when 'pending' then 'queued'
            when 'notrunning' then 'queued'
            when 'canceled' then 'cancelled'
            when 'validating' then 'validating_files'
            else lower(told.status)
        end as said_status
    from objects
),

states as (
    select
        *,
        case said_status
            when 'validating_files' then 1
            when 'queued' then 2
            when 'running' then 3
            when 'pausing' then 4
            when 'paused' then 4
            when 'succeeded' then 5
            when 'failed' then 5
            when 'cancelled' then 5
            else 0
        end as status_rank,
        {
            'a': status_rank,
            'b': coalesce(told.finished_at, -1),
            'c': len(json_keys(content)),
            'd': content
        } as place
    from settings
)

select
    job_id,
    arg_max(said_status, place) filter (where status_rank > 0) as status,
    coalesce(max(status_rank), 0) as status_rank,
    to_timestamp(arg_max(told.created_at, place)) as created_at,
    to_timestamp(arg_max(told.finished_at, place)) as finished_at,
    arg_max(told.model, place) as base_model,
    arg_max(told.fine_tuned_model, place) as model_id,
    arg_max(
        case told.method.type
            when 'supervised' then 'supervised'
            when 'dpo' then 'preference'
            when 'reinforcement' then 'reinforcement'
        end,
        place
    ) as method,
    arg_max(coalesce(
        try_cast(json_extract_string(sent, '$.n_epochs') as double),
        try_cast(json_extract_string(asked, '$.n_epochs') as double)
    ), place) as n_epochs,
    arg_max(coalesce(
        try_cast(json_extract_string(sent, '$.batch_size') as double),
        try_cast(json_extract_string(asked, '$.batch_size') as double)
    ), place) as batch_size,
    arg_max(coalesce(
        try_cast(json_extract_string(sent, '$.learning_rate_multiplier') as double),
        try_cast(json_extract_string(asked, '$.learning_rate_multiplier') as double)
    ), place) as learning_rate_multiplier,
    arg_max(sent::varchar, place) as hyperparameters,
    arg_max(told.training_file, place) as training_file,
    arg_max(told.validation_file, place) as validation_file,
    arg_max(told.result_files[1], place) as result_file,
    arg_max(told.trained_tokens, place) as trained_tokens,
    arg_max(told.seed, place) as seed,
    arg_max(coalesce(told.user_provided_suffix, told.suffix), place) as suffix,
    arg_max(told.error.code, place) as error_code,
    arg_max(told.error.param, place) as error_param,
    arg_max(told.error.message, place) as error_message
from states
group by job_id
;
