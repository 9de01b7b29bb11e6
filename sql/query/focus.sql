-- Lets the views of a connection read some jobs alone: what is asked of them for a list of jobs, the
-- engine would look for in one of the tables that a view joins, and read the others whole.
alter view lake_events rename to all_events
;

create view lake_events as
from all_events
where job_id in ({jobs})
;

alter view lake_spoken rename to all_spoken
;

create view lake_spoken as
from all_spoken
where job_id in ({jobs})
;

alter view lake_companions rename to all_companions
;

create view lake_companions as
from all_companions
where job_id in ({jobs})
;

alter view lake_rejects rename to all_rejects
;

create view lake_rejects as
from all_rejects
where job_id in ({jobs})
;

alter view lake_variants rename to all_variants
;

create view lake_variants as
from all_variants
where job_id in ({jobs})
;
