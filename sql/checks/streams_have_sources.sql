-- Every stream and every reject lies in a source that the lake knows.
select
    'stream' as kind,
    streams.stream_id as id,
    streams.source_id
from lake_streams as streams
left join lake_sources as sources on streams.source_id = sources.source_id
where sources.source_id is null

union all

select
    'reject' as kind,
    rejects.position::varchar as id,
    rejects.source_id
from lake_rejects as rejects
left join lake_sources as sources on rejects.source_id = sources.source_id
where sources.source_id is null
;
