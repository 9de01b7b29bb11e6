-- What was read into the lake, or of the jobs of `report_jobs` where these were chosen, in one row.
--
-- Reads: sources
select
    count(*) as sources,
    coalesce(sum(records), 0)::bigint as records,
    coalesce(sum(events), 0)::bigint as events,
    coalesce(sum(duplicates), 0)::bigint as duplicates,
    coalesce(sum(rejects), 0)::bigint as rejects
from sources
where
    getvariable('report_is_whole')
    or source_id in (
        select source_id
        from lake_streams
        where list_contains(getvariable('report_jobs'), job_id)

        union all

        select source_id
        from lake_companions
        where list_contains(getvariable('report_jobs'), job_id)
    )
