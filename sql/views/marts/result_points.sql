-- Which numbers do result files give, step by step, one by one?
--
-- Grain: job_id, step, metric
-- Reads: lake_companions
-- Caveat: metrics under the names that events give them (train_accuracy is
--   train_mean_token_accuracy); others, such as the graders of reinforcement jobs, as in the file.
--   Of several rows of a step the one with more numbers counts, then that of the longer text (a
--   file caught half-written ends within a number), then of the greater. Values are rounded to 5
--   decimals. loss_curves has the known ones beside those of the events.
create or replace view result_points as
with rows_of_files as (
    select
        job_id,
        json_transform(content, '"MAP(VARCHAR, DOUBLE)"') as numbers,
        {'a': len(json_keys(content)), 'b': strlen(content), 'c': content} as place
    from lake_companions
    where kind = 'result'
),

points as (
    select
        job_id,
        numbers['step']::bigint as step,
        unnest(map_keys(numbers)) as metric,
        unnest(map_values(numbers)) as value,
        place
    from rows_of_files
)

select
    job_id,
    step,
    metric,
    arg_max(value, place) as value,
    metric in (
        'train_loss',
        'train_mean_token_accuracy',
        'valid_loss',
        'valid_mean_token_accuracy',
        'full_valid_loss',
        'full_valid_mean_token_accuracy',
        'train_mean_reward',
        'valid_mean_reward',
        'full_valid_mean_reward',
        'full_valid_mean_parse_error',
        'reasoning_tokens_mean',
        'valid_reasoning_tokens_mean',
        'completion_tokens_mean',
        'mean_unresponsive_rewards'
    ) as known
from points
where metric <> 'step'
group by job_id, step, metric
;

comment on view result_points is
    'Which numbers do result files give, step by step, one by one?';
comment on column result_points.job_id is 'fine-tuning job [id]';
comment on column result_points.step is 'training step [step]';
comment on column result_points.metric is 'the name that events give it, else the file''s [text]';
comment on column result_points.value is 'the number, rounded to 5 decimals by the API [as sent]';
comment on column result_points.known is 'whether the metric has a column in loss_curves [bool]';
