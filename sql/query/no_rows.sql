-- Makes an optional view over tables without rows: what reads it is planned in less time. Its
-- columns are those that its header names; no_job is of the type of ids, which a check changes.
create or replace view {name}{deferred} as
select
    {columns}
where false
;
