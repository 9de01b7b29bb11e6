-- The commonest kinds of errors and of warnings, with their largest bursts, and how many kinds
-- there are.
--
-- Reads: error_timeline, error_bursts
with bursts as (
    select
        severity,
        template,
        array_agg([epoch(first_seen), epoch(last_seen), events]::bigint[] order by burst) as bursts
    from (
        from error_bursts
        qualify row_number() over (partition by severity, template order by events desc, burst)
            <= 100
    )
    group by severity, template
)

select
    kinds.severity,
    kinds.template,
    kinds.events,
    kinds.jobs,
    kinds.example_job_id,
    kinds.first_seen,
    kinds.last_seen,
    kinds.bursts as burst_count,
    bursts.bursts,
    told_of(kinds.example) as example,
    count(*) over () as of_all
from error_timeline as kinds
inner join bursts on kinds.severity = bursts.severity and kinds.template = bursts.template
qualify
    row_number() over (
        partition by kinds.severity
        order by kinds.events desc, kinds.last_seen desc, kinds.template
    ) <= 30
order by kinds.severity, kinds.events desc, kinds.last_seen desc, kinds.template
