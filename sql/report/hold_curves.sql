-- Holds the curves of the jobs of `report_jobs` in a connection: most questions of a report read
-- them, and none that comes later reads those of others.
create or replace temp table held_curves as
from loss_curves
where list_contains(getvariable('report_jobs'), job_id)
;

create or replace temp view loss_curves as
from held_curves
;
