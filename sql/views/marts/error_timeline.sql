-- Which kinds of errors and warnings occur, how often, in how many jobs, and since when?
--
-- Grain: severity, template
-- Reads: errors, warnings
-- Caveat: a template is the message with quoted text, model names, ids, paths and numbers masked,
--   lists of masked things folded to one, white space folded, cut to 300 characters after that,
--   so that a list of any length gives one template. Masking is by shape: an id of unknown form
--   stays.
create or replace view error_timeline as
with problems as (
    select
        'error' as severity,
        job_id,
        event_id,
        created_at,
        lifecycle_rank,
        ordinal,
        message
    from errors

    union all

    select
        'warning' as severity,
        job_id,
        event_id,
        created_at,
        lifecycle_rank,
        ordinal,
        message
    from warnings
),

without_quotes as (
    select
        *,
        regexp_replace(
            message,
            '"[^"\n]*"|`[^`\n]*`|\B''[^''\n]*''\B',
            '<text>',
            'g'
        ) as text_1
    from problems
),

without_models as (
    select
        *,
        regexp_replace(
            text_1,
            '\b(?:ft:[A-Za-z0-9_.:-]*[A-Za-z0-9]'
            || '|[a-z]+:ft-[A-Za-z0-9_-]*[A-Za-z0-9]'
            || '|(?:gpt|davinci|babbage|curie|ada|o[0-9])-[A-Za-z0-9_.-]*[A-Za-z0-9])',
            '<model>',
            'g'
        ) as text_2
    from without_quotes
),

without_ids as (
    select
        *,
        regexp_replace(
            text_2,
            '\b(?:(?:ftjob|ftevent|ftckpt|ft|file|org|proj|user|req|batch)[-_][A-Za-z0-9]{6,}'
            || '|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}'
            || '|[0-9a-fA-F]{16,})\b',
            '<id>',
            'g'
        ) as text_3
    from without_models
),

without_paths as (
    select
        *,
        regexp_replace(
            text_3,
            '[a-z0-9]+://[^ \t\r\n,;)]+'
            || '|[A-Za-z0-9_.~/\\:-]+\.(?:jsonl|json|csv|txt|parquet|gz|zst|py|yaml|toml)\b'
            || '|\B(?:/[A-Za-z0-9_.~%+-]+){2,}/?',
            '<path>',
            'g'
        ) as text_4
    from without_ids
),

without_numbers as (
    select
        *,
        regexp_replace(
            text_4,
            '0x[0-9a-fA-F]+|[0-9]+(?:[.,:_/-][0-9]+)*(?:[eE][-+]?[0-9]+)?',
            '<n>',
            'g'
        ) as text_5
    from without_paths
),

without_lists as (
    select
        *,
        regexp_replace(
            text_5,
            '(<(?:n|id|text|path|model)>)(?:[ \t\r\n]*,[ \t\r\n]*<(?:n|id|text|path|model)>)+'
            || '(?:[ \t\r\n,]*(?:\.\.\.|…))?',
            '\1',
            'g'
        ) as text_6
    from without_numbers
),

templates as (
    select
        *,
        left(trim(regexp_replace(text_6, '[ \t\r\n]+', ' ', 'g')), 300) as template
    from without_lists
)

select
    severity,
    template,
    count(*) as events,
    count(distinct job_id) as jobs,
    min(created_at) as first_seen,
    max(created_at) as last_seen,
    arg_min(
        message,
        {'a': created_at, 'b': lifecycle_rank, 'c': job_id, 'd': ordinal, 'e': event_id}
    ) as example,
    arg_min(
        job_id,
        {'a': created_at, 'b': lifecycle_rank, 'c': job_id, 'd': ordinal, 'e': event_id}
    ) as example_job_id
from templates
group by severity, template
;

comment on view error_timeline is
    'Which kinds of errors and warnings occur, how often, in how many jobs, and since when?';
comment on column error_timeline.severity is 'error or warning [text]';
comment on column error_timeline.template is
    'the message with everything that varies masked: <text>, <model>, <id>, <path>, <n> [text]';
comment on column error_timeline.events is 'events with this template [event]';
comment on column error_timeline.jobs is 'jobs with such an event [job]';
comment on column error_timeline.first_seen is 'when the first of them happened [UTC]';
comment on column error_timeline.last_seen is 'when the last of them happened [UTC]';
comment on column error_timeline.example is 'the message of the first of them [text]';
comment on column error_timeline.example_job_id is 'the job of the first of them [id]';
