-- When does the last of the dumps end in which each job is?
--
-- Grain: job_id
-- Reads: lake_streams, lake_sources, lake_commits
-- Caveat: what one command read is one dump, and ends with the last event that it read, whichever
--   job's that is. A file that it passed over, as the lake knew it already, is in that dump, too,
--   unless nothing else was new: such a command is none. NULL in lakes made before that was noted.
create or replace view stg_dumps as
select
    streams.job_id,
    max(greatest(brought.last_event_at, seen.last_event_at)) as ended_at
from lake_streams as streams
inner join lake_sources as sources on streams.source_id = sources.source_id
inner join lake_commits as brought on sources.commit_id = brought.commit_id
left join lake_commits as seen on sources.seen_commit_id = seen.commit_id
group by streams.job_id
;
