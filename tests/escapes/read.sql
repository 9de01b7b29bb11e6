-- Reading files that are not the live segments, and the live segments past the views.
-- # read_csv
select * from read_csv('{secret}', header = false)
-- # read_csv_auto
select * from read_csv_auto('{secret}', header = false)
-- # read_text
select content from read_text('{secret}')
-- # read_blob
select content from read_blob('{secret}')
-- # read_json
select * from read_json('{secret_json}')
-- # read_json_objects
select json from read_json_objects('{secret_json}')
-- # read_ndjson
select * from read_ndjson('{secret_json}')
-- # read_ndjson_objects
select json from read_ndjson_objects('{secret_json}')
-- # read_parquet
select * from read_parquet('{secret_parquet}')
-- # parquet_scan
select * from parquet_scan('{secret_parquet}')
-- # read_parquet_of_a_segment
select * from read_parquet('{segment}')
-- # parquet_metadata
select * from parquet_metadata('{secret_parquet}')
-- # parquet_schema
select * from parquet_schema('{secret_parquet}')
-- # parquet_file_metadata
select * from parquet_file_metadata('{secret_parquet}')
-- # parquet_kv_metadata
select * from parquet_kv_metadata('{secret_parquet}')
-- # parquet_full_metadata
select * from parquet_full_metadata('{secret_parquet}')
-- # parquet_bloom_probe
select * from parquet_bloom_probe('{secret_parquet}', 'token', 'x')
-- # sniff_csv
select * from sniff_csv('{secret}')
-- # glob
select * from glob('{outside}/*')
-- # glob_of_the_lake
select * from glob('{lake}/**')
-- # replacement_scan_csv
select * from '{secret}'
-- # replacement_scan_parquet
from '{secret_parquet}'
-- # replacement_scan_json
from "{secret_json}"
-- # replacement_scan_of_a_segment
from '{segment}'
-- # replacement_scan_in_a_join
select * from events join '{secret_parquet}' other on true
-- # replacement_scan_in_a_subquery
select (select token from '{secret_parquet}' limit 1)
-- # replacement_scan_under_a_cte_of_that_name
with inner_one as (with "{secret_parquet}" as (select 1) select 1) from inner_one, "{secret_parquet}"
-- # replacement_scan_by_a_cte_of_its_own_name
with "{segment}" as (from "{segment}") select count(*) from "{segment}"
-- # replacement_scan_by_a_cte_before_one_of_that_name
with a as (from "{segment}"), "{segment}" as (select 1) select count(*) from a
-- # replacement_scan_by_a_recursive_cte_that_is_none
with recursive "{segment}" as (from "{segment}") select count(*) from "{segment}"
-- # symlink_in_the_lake
from '{link}'
-- # symlink_through_read_blob
select content from read_blob('{link}')
-- # path_out_of_the_lake
from '{lake}/events/../../outside/secret.parquet'
-- # ledger
select content from read_blob('{lake}/ledger.db')
-- # relative_path
select * from read_text('etc/passwd')
-- # proc_environ
select content from read_text('/proc/self/environ')
-- # proc_file_descriptor
select content from read_blob('/proc/self/fd/0')
-- # standard_input
select * from read_csv('/dev/stdin')
-- # environment_variable
select getenv('HOME')
-- # describe_a_file
describe '{secret_parquet}'
-- # summarize_a_file
summarize '{secret_parquet}'
-- # summarize_a_table_function
summarize select * from read_text('{secret}')
-- # show_a_file
show '{secret_parquet}'
-- # explain_analyze_a_read
explain analyze select * from read_text('{secret}')
-- # explain_analyze_with_options
explain (analyze, format 'json)') select * from read_text('{secret}')
-- # explain_with_a_bracket_in_a_comment
explain (analyze /* ) select 1 -- */) select * from duckdb_settings()
-- # explain_with_a_bracket_in_a_line_comment
explain (analyze -- ) select 1 /*
) select * from duckdb_settings() -- */
-- # explain_with_a_bracket_in_a_text
explain (analyze 'x) select 1 --') select * from duckdb_settings()
-- # explain_with_options
explain (format json) select * from '{secret_parquet}'
-- # query_function
select * from query('select * from read_text(''{secret}'')')
-- # query_table_function
select * from query_table('{secret_parquet}')
-- # histogram_macro_over_a_file
select * from histogram('{secret_parquet}', token)
-- # json_execute_serialized_sql
select * from json_execute_serialized_sql(json_serialize_sql('select * from ''{secret_parquet}'''))
-- # json_serialize_plan
select json_serialize_plan('select * from read_text(''{secret}'')')
-- # pivot_over_a_file
pivot '{secret_parquet}' on token in ('x') using count(*)
-- # read_in_an_order_by
select 1 order by (select content from read_text('{secret}'))
-- # read_in_a_limit
select 1 limit (select length(content) from read_text('{secret}'))
-- # read_in_a_filter
select count(*) filter (where exists (from read_text('{secret}'))) from events
-- # read_in_a_lambda
select list_transform([1], lambda x: (select content from read_text('{secret}')))
-- # read_in_values
values ((select content from read_text('{secret}')))
-- # read_under_union
select message from events union all select content from read_text('{secret}')
-- # read_in_a_lateral_join
select * from (values ('{secret}')) v(path), lateral (from read_text(path))
-- # read_in_a_recursive_cte
with recursive r as (select content from read_text('{secret}') union all select content from r where false) from r
-- # http_url
from 'http://127.0.0.1:9/secret.parquet'
-- # https_function
select * from read_parquet('https://127.0.0.1:9/secret.parquet')
-- # s3_url
from 's3://bucket/secret.parquet'
-- # hf_url
from 'hf://datasets/some/secret.parquet'
-- # file_url
from 'file://{secret_parquet}'
-- # read_duckdb
select * from read_duckdb('{outside}/other.duckdb', table_name = 'secrets')
-- # attached_by_name
from "{outside}/other.duckdb".secrets
-- # python_variable
select * from secrets_frame
-- # python_variable_of_the_child
select * from request
-- # arrow_address
select * from arrow_scan(1, 2, 3)
-- # pandas_address
select * from pandas_scan(1)
-- # secrets
from duckdb_secrets()
-- # which_secret
from which_secret('s3://bucket', 's3')
-- # settings_table
from duckdb_settings()
-- # current_setting
select current_setting('allowed_paths')
-- # temporary_files
from duckdb_temporary_files()
-- # logs
from duckdb_logs()
