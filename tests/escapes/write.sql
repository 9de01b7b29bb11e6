-- Writing files, changing the lake's views, its segments or the engine.
-- # copy_to_csv
copy (select 1) to '{target}.csv'
-- # copy_to_parquet
copy (select 1) to '{target}.parquet' (format parquet)
-- # copy_to_json
copy (select 1) to '{target}.json' (format json)
-- # copy_over_a_segment
copy (select 1 as job_id) to '{segment}' (format parquet)
-- # copy_over_a_segment_in_place
copy (select 1 as job_id) to '{segment}' (format parquet, use_tmp_file false)
-- # copy_over_a_segment_in_a_cte
with w as (copy (select 1 as job_id) to '{segment}' (format parquet)) select * from w
-- # copy_in_a_cte
with w as (copy (select 1) to '{target}.csv') select * from w
-- # copy_in_a_deep_cte
select * from (with a as (with b as (copy (select 1) to '{target}.csv') from b) from a)
-- # copy_in_a_materialised_cte
with w as materialized (copy (select 1) to '{target}.csv') select 1
-- # copy_in_a_described_cte
summarize with w as (copy (select 1) to '{target}.csv') from w
-- # copy_under_explain_analyze
explain analyze copy (select 1) to '{target}.csv'
-- # copy_under_explain_with_options
explain (analyze, format json) copy (select 1) to '{target}.csv'
-- # table_behind_a_comment_among_options
explain (analyze /* ) select 1 -- */) create table made as select 42
-- # copy_behind_options
explain analyze (format json) (format json) copy (select 1) to '{target}.csv'
-- # copy_in_a_cte_under_explain_analyze
explain analyze with w as (copy (select 1) to '{target}.csv') from w
-- # copy_partitioned
copy (select 1 a, 2 b) to '{target}' (format parquet, partition_by (a))
-- # copy_to_standard_output
copy (select 1) to '/dev/stdout'
-- # copy_from
copy events from '{secret}'
-- # copy_after_a_comment
/* select 1 */ copy (select 1) to '{target}.csv' -- select
-- # second_statement
select 1; copy (select 1) to '{target}.csv'
-- # first_statement
copy (select 1) to '{target}.csv'; select 1
-- # statement_behind_a_nul
select 1 {nul}; copy (select 1) to '{target}.csv'
-- # export_database
export database '{target}'
-- # import_database
import database '{outside}'
-- # attach_new
attach '{target}.duckdb' as other
-- # attach_existing
attach '{outside}/other.duckdb' as other (read_only)
-- # attach_memory
attach ':memory:' as other
-- # attach_sqlite
attach '{lake}/ledger.db' as ledger (type sqlite)
-- # detach
detach memory
-- # use
use system
-- # create_table
create table t as select 1
-- # create_table_from_a_file
create table t as from '{secret_parquet}'
-- # create_or_replace_view
create or replace view events as select 1
-- # create_macro
create macro m(path) as table from read_text(path)
-- # create_secret
create persistent secret s (type s3, key_id 'a', secret 'b')
-- # create_type
create type t as enum ('a')
-- # create_sequence
create sequence s
-- # create_schema
create schema s
-- # drop_view
drop view events
-- # alter_view
alter view events rename to gone
-- # comment
comment on view events is 'mine'
-- # insert
insert into events select * from events
-- # insert_in_a_cte
with w as (insert into lake_events select * from lake_events returning *) from w
-- # update
update events set message = ''
-- # delete
delete from events
-- # delete_in_a_cte
with w as (delete from lake_events returning *) from w
-- # merge
merge into events using events e on true when matched then delete
-- # truncate
truncate events
-- # install
install httpfs
-- # install_from_a_folder
force install '{outside}/evil.duckdb_extension'
-- # load
load '{outside}/evil.duckdb_extension'
-- # update_extensions
update extensions
-- # set
set enable_external_access = true
-- # set_global
set global lock_configuration = false
-- # set_memory
set memory_limit = '100GB'
-- # set_temp_directory
set temp_directory = '{outside}'
-- # set_variable
set variable x = 1
-- # reset
reset allowed_paths
-- # pragma
pragma enable_profiling
-- # pragma_function
pragma database_list
-- # call
call enable_logging()
-- # logging_to_a_file
select * from enable_logging(storage = 'file', storage_path = '{outside}')
-- # write_log
select write_log('x')
-- # profiling_to_a_file
select * from enable_profiling(save_location = '{target}.json')
-- # checkpoint_function
select * from checkpoint()
-- # checkpoint
checkpoint
-- # vacuum
vacuum
-- # begin
begin transaction
-- # prepare
prepare p as copy (select 1) to '{target}.csv'
-- # execute
execute p
-- # sequence_value
select nextval('s')
-- # register_external_resource
select * from register_external_resource('x', 'y')
-- # raw_aggregate_state
select finalize(to_aggregate_state('\x00'::blob))
