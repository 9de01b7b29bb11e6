-- When does the last of the dumps end in which each job is?
--
-- Grain: job_id
-- Reads: lake_streams, lake_sources, lake_commits
-- Caveat: what one command read is one dump, and ends with its last event, whichever job's that is;
--   a file that was known and passed over is no part of it. NULL in lakes made before that was
--   noted.
create or replace view stg_dumps as
select
    streams.job_id,
    max(commits.last_event_at) as ended_at
from lake_streams as streams
inner join lake_sources as sources on streams.source_id = sources.source_id
inner join lake_commits as commits on sources.commit_id = commits.commit_id
group by streams.job_id
;
