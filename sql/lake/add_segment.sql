-- Question: which file is live from now on? (One removed before may come back, byte for byte.)
-- Grain:    one row per segment
-- Reads:    nothing
insert into segments (name, kind, row_count, byte_count, commit_id, removed_at, speaks)
values (?, ?, ?, ?, ?, null, ?)
on conflict (name) do update set
    commit_id = excluded.commit_id,
    removed_at = null,
    speaks = excluded.speaks
