-- Question: what does each record say, and do its quotes and words leave nothing to chance?
-- Grain:    one row per record, in the order of the input
-- Reads:    records (raw)
-- Caveat:   an answer only for records that `normalise.py` then finds regular; the others are
--           read exactly, one by one. Names in braces are lists over contract.py's metrics.
--
-- `plain` holds the texts to forms that no other JSON type has, so that the count of quotes can
-- tell whether there is anything beyond the known fields.
with parsed as (
    select
        raw,
        json_transform(
            raw,
            '{
                "object": "VARCHAR", "id": "VARCHAR", "created_at": "DOUBLE", "level": "VARCHAR",
                "message": "VARCHAR", "type": "VARCHAR", "data": {payload}
            }'
        ) as e
    from records
),

named as (
    select
        *,
        e.data as d
    from parsed
)

select
    hash(e.id) as id_hash,
    e.id as event_id,
    e.created_at as created_at,
    e.message as message,
    (case e.level when 'info' then 0 when 'warn' then 1 when 'error' then 2 end)::tinyint as level,
    (
        case
            when e.type is null then null
            when e.type = 'metrics' then 1
            when e.type = 'message' then 0
            else -1
        end
    )::tinyint as type,
    (case when e.object = 'fine_tuning.job.event' then 0 when e.object is null then null else -1 end)
    ::tinyint as object,
    (strlen(e.id) = 40)::tinyint as dialect,
    d is not null as has_payload,
    {metrics},
    case
        when d is null then contains(raw, '"data": null') or contains(raw, '"data":null')
        else false
    end as null_payload,
    starts_with(e.id, 'ftevent-')
    and not (ord(e.message) between 45 and 57 or ord(e.message) in (91, 123))
    and lower(e.message) not in ('', 'true', 'false', 'null', 'nan', 'inf', 'infinity')
    and case
        when strlen(e.id) = 40 then regexp_full_match(e.id, 'ftevent-[0-9a-f]{32}')
        else true
    end as plain
from named
