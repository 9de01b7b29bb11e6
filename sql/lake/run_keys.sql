-- Question: where do the keys of runs of events wait until their order is asked for?
-- Grain:    one row per event
-- Reads:    nothing
create or replace temp table run_keys (
    run integer,
    job_id varchar,
    created_at timestamptz,
    step bigint,
    ordinal bigint,
    event_id varchar
)
