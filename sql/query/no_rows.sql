-- Makes an optional view over tables without rows: what reads it is planned in less time. Its
-- columns are those that its header names. Ids are of the type that a check gives them.
create or replace view {name}{deferred} as
select
    {columns}
from lake_no_jobs()
where false
;
