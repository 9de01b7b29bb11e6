-- Question: which records do the engine and JSON read alike, beyond doubt, and as what event?
-- Grain:    one row per regular record
-- Reads:    records (normalise.RECORDS; raw is null where a record's outer shape is not regular)
-- Caveat:   every other record is handed to `odd`, which reads it exactly. Names in braces are
--           lists over the known keys that a payload is asked for.
--
-- A known key brings two quotes, a text two more. An unknown or repeated key, a null, a number sent
-- as a string, a quote inside a text each bring more. Nothing takes any away, given that the texts
-- have forms that no other JSON type has. A payload without numbers and known keys, as results of
-- checks and codes of errors are, may have quotes of its own. (Casts are tries: the engine may run
-- them on rows that the filter has dropped.)
--
-- The list `misfits` stands below the filter because the engine gathers up to 2,048 rows behind one
-- where few come at once, as of long records, and does not where a column is a list.
with parsed as (
    select
        *,
        try(json_transform(
            raw,
            '{
                "object": "VARCHAR", "id": "VARCHAR", "created_at": "DOUBLE", "level": "VARCHAR",
                "message": "VARCHAR", "type": "VARCHAR", "data": { {keys} }
            }'
        )) as e
    from records
),

named as (
    select
        *,
        e.data as d,
        case e.level
            when 'info' then 'info'::level_word
            when 'warn' then 'warn'::level_word
            when 'error' then 'error'::level_word
        end as level,
        case e.type
            when 'metrics' then 'metrics'::type_word
            when 'message' then 'message'::type_word
            when 'moderation_checks' then 'moderation_checks'::type_word
        end as type,
        case
            when e.object = 'fine_tuning.job.event' then 'fine_tuning.job.event'::object_word
        end as object,
        case
            when payload is null then contains(raw, '"data": null') or contains(raw, '"data":null')
            else false
        end as null_payload,
        14  -- the keys id, created_at, level, message, three of them with texts
        + 4 * (e.type is not null)::integer
        + 4 * (e.object is not null)::integer
        + 2 * (payload is not null or null_payload)::integer as outer_quotes,
        null::varchar[] as misfits
    from parsed
)

select
    job_id,
    e.id as event_id,
    make_timestamptz(try_cast(e.created_at * 1e6 as bigint)) as created_at,
    level,
    type,
    e.message as message,
    try_cast(d.step as bigint) as step,
    try_cast(d.total_steps as bigint) as total_steps,
    {metrics},
    null::map(varchar, double) as other_metrics,
    case when null_payload then 'null' else payload end as data,
    null::varchar as extra,
    misfits,
    object,
    case
        when strlen(e.id) = 40 then 'azure'::dialect_word else 'openai'::dialect_word
    end as dialect,
    stream_id,
    source_id,
    position,
    "offset",
    ordinal
from named
where
    case
        when
            case
                when quotes = outer_quotes + 2 * ({given}) then flat
                when
                    quotes = outer_quotes + strlen(payload) - strlen(replace(payload, '"', ''))
                    -- No escape, no value but texts and words of JSON, no known key.
                    and not regexp_matches(
                        payload,
                        '\\|(?:"\s*:|[\[,])\s*(?:[^"{}\[\]\s,tfn]|t[^r]|f[^a]|n[^u])|"(?:{known})"'
                    )
                    -- From the second bracket to the last but one there may be more than data.
                    then coalesce(try(json(payload) = (raw -> 'data')), false)
                else false
            end
            and (payload is not null) = (d is not null)
            and level is not null
            and (type is not null or e.type is null)
            and (object is not null or e.object is null)
            and starts_with(e.id, 'ftevent-')
            -- An Azure id is the prefix and 32 hexadecimal digits; no other dialect's is as long.
            and case
                when strlen(e.id) = 40 then regexp_full_match(e.id, 'ftevent-[0-9a-f]{32}')
                else true
            end
            -- A text that is no number, list, object, or word of JSON.
            and strlen(e.message) > 9
            and e.message >= ':'
            and e.message < '{'
            and not (e.message >= '[' and e.message < chr(92))
            and e.created_at between 1e8 and 9e9
            and e.created_at = floor(e.created_at)
            and coalesce(d.step = floor(d.step) and abs(d.step) < 9007199254740992, true)
            and coalesce(
                d.total_steps = floor(d.total_steps) and abs(d.total_steps) < 9007199254740992, true
            )
            -- Bare NaN and infinities.
            and isfinite({sum})
            -- The engine reads true as 1 and false as 0.
            and case
                when {truths} then not (contains(payload, 'true') or contains(payload, 'false'))
                else true
            end
            then true
        else odd(bytes, source, stream, position, "offset", ordinal, last)
    end
