-- Which errors and warnings are of one kind?
--
-- Grain: severity, job_id, event_id
-- Order: severity, created_at, lifecycle_rank, order_step, job_id, ordinal, event_id
-- Reads: errors, warnings, stg_job_objects
-- Caveat: an error that only a job object tells is no event; its severity is failure. A template is
--   the message with quoted text, model names, ids, paths, times and numbers masked, lists of
--   masked things folded to one, white space folded, cut to 300 characters after that, so that a
--   list of any length gives one template. Masking is by shape: an id of unknown form stays.
create or replace view stg_problems as
with problems as (
    select
        'error' as severity,
        job_id,
        event_id,
        created_at,
        lifecycle_rank,
        order_step,
        ordinal,
        message,
        error_code,
        error_param,
        told_by
    from errors

    union all

    select
        'warning' as severity,
        job_id,
        event_id,
        created_at,
        lifecycle_rank,
        order_step,
        ordinal,
        message,
        null as error_code,
        null as error_param,
        null as told_by
    from warnings

    union all

    select
        'failure' as severity,
        job_id,
        null as event_id,
        null as created_at,
        null as lifecycle_rank,
        null as order_step,
        null as ordinal,
        error_message as message,
        error_code,
        error_param,
        'object' as told_by
    from stg_job_objects
    where error_message is not null
),

-- ’ before a letter is an apostrophe
without_quotes as (
    select
        *,
        regexp_replace(
            message,
            '"[^"\n]*"|`[^`\n]*`|\B''[^''\n]*''\B'
            || '|“[^“”\n]*”|„[^„“”\n]*[“”]|«[^«»\n]*»|‘(?:[^‘’\n]|’[\pL\pN])*’',
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
            '[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}'
            || '|\b(?:(?:ftjob|ftevent|ftckpt|ft|file|org|proj|user|req|batch)[-_][A-Za-z0-9]{6,}'
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
            '0x[0-9a-fA-F]+'
            || '|\b[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]*[0-9](?:Z|[-+][0-9]{2}:?[0-9]{2})?'
            || '|\b(?:[0-9]+(?:\.[0-9]+)?(?:ms|[smhd]))+\b'
            || '|[0-9]+(?:[.,:_/-][0-9]+)*(?:[eE][-+]?[0-9]+)?',
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
)

select
    severity,
    job_id,
    event_id,
    created_at,
    lifecycle_rank,
    order_step,
    ordinal,
    message,
    error_code,
    error_param,
    told_by,
    left(trim(regexp_replace(text_6, '[ \t\r\n]+', ' ', 'g')), 300) as template
from without_lists
;
