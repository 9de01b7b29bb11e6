-- Replaces the view `thresholds` in a connection: the defaults, but for the values that the table
-- given_thresholds will hold.
create or replace table given_thresholds (
    detector varchar,
    threshold varchar,
    value double
)
;

create or replace table default_thresholds as
from thresholds
;

create or replace view thresholds as
select defaults.* replace (coalesce(given.value, defaults.value) as value)
from default_thresholds as defaults
left join given_thresholds as given
    on defaults.detector = given.detector and defaults.threshold = given.threshold
;
