-- Holds how the jobs stand in a connection: half of the questions of a report read it. And says how
-- much of a message they tell.
create or replace temp macro told_of(message) as
    case
        when length(message) > getvariable('report_message_length')
            then message[:getvariable('report_message_length')] || '…'
        else message
    end
;

create or replace temp table held_states as
from stg_job_states
;

create or replace temp view stg_job_states as
from held_states
;

create or replace temp table held_jobs as
from jobs
;

create or replace temp view jobs as
from held_jobs
;
