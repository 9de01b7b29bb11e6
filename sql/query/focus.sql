-- Lets the views of a connection read some jobs of a table alone: what is asked of them for a list of
-- jobs, the engine would look for in one of the tables that a view joins, and read the others whole.
-- `in` passes over row groups, but of more than a few values is joined behind the scan, which then
-- decodes every column of other jobs' rows; a place in a list is looked for while it scans.
alter view lake_{table} rename to all_{table}
;

create view lake_{table} as
from all_{table}
where job_id in ({jobs})
    and list_position([{jobs}], job_id) > 0
;
