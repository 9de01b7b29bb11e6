-- Holds the view `jobs` in a connection: half of the questions of a report read it.
create or replace temp table held_jobs as
from jobs
;

create or replace temp view jobs as
from held_jobs
;
