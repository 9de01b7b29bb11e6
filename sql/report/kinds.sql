-- The kinds of errors and warnings, the gravest and commonest first.
--
-- Reads: error_timeline
select
    severity,
    template,
    events,
    jobs,
    first_seen,
    last_seen,
    example_job_id,
    case
        when length(example) > getvariable('report_message_length')
            then example[:getvariable('report_message_length')] || '…'
        else example
    end as example
from error_timeline
order by severity, events desc, last_seen desc, template
