-- Holds in a connection what several rules ask for: it is made only once.
create or replace table held_milestones as
from stg_milestones
;

create or replace view stg_milestones as
from held_milestones
;
