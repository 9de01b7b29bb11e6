-- The verdicts, in the order of `$rules`. A check fails by what tripped of `$fail_on`.
select
    job_id::varchar as job_id,
    rule,
    verdict,
    verdict = 'tripped' and list_contains($fail_on, rule) as fails,
    step,
    value,
    threshold,
    unit,
    findings,
    evidence
from verdicts
order by job_id, list_position($rules, rule)
;
