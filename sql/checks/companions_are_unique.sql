-- What is told about a job beside its events is in the lake once, in a known kind, with a source.
select
    companions.job_id,
    companions.kind,
    companions.content,
    count(*) as copies
from lake_companions as companions
left join lake_sources as sources on companions.source_id = sources.source_id
group by companions.job_id, companions.kind, companions.content
having
    count(*) > 1
    or companions.kind not in ('job', 'checkpoint', 'outcome', 'result')
    or count(sources.source_id) < count(*)
;
