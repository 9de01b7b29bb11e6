-- Lets the views of a connection read some jobs alone; their ids stand for {jobs}. Of what is asked
-- for several jobs of a view, the engine looks for them in one of the tables that the view joins,
-- and reads the others whole.
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
