-- Question: which known sources are in the dump that this commit read, and in none that ends later?
-- Grain:    one row per source that was passed over
-- Reads:    :passed (a list of [content_hash, hint], as JSON), contents, commits (run by SQLite)
-- Caveat:   by the content it has now: an earlier self of a file that grew is not the file.
update sources set seen_commit_id = :commit_id
from (
    select
        json_extract(value, '$[0]') as content_hash,
        json_extract(value, '$[1]') as hint
    from json_each(:passed)
) as passed
inner join contents
    on passed.content_hash = contents.content_hash
    and passed.hint = contents.hint
    and contents.reader_version = :reader_version
where
    contents.source_id = sources.source_id
    and contents.content_hash = sources.content_hash
    and sources.commit_id <> :commit_id
    and :last_event_at > coalesce(
        (
            select max(commits.last_event_at) from commits
            where commits.commit_id in (sources.commit_id, sources.seen_commit_id)
        ),
        ''
    )
