-- Taking more memory or time than allowed.
-- # endless_recursion
with recursive r as (select 1 x union all select x + 1 from r) select count(*) from r
-- # endless_count
select count(*) from range(1000000000000) a(x) where hash(x) = 1
-- # cross_join
select count(*) from range(10000000) a(x), range(10000000) b(y) where hash(x + y) = 1
-- # enormous_result
select * from range(1000000000000)
-- # enormous_rows
select repeat('x', 10000000) from range(1000000)
-- # enormous_list
select list(x) from range(10000000000) t(x)
-- # enormous_text
select length(string_agg(x::varchar, '')) from range(10000000000) t(x)
-- # enormous_value
select repeat('x', 3000000000) || repeat('y', 1000000000)
-- # enormous_values_joined
select length(repeat(repeat('x', 1000000), x::int)) from range(2000, 4000) t(x)
-- # enormous_padding
select length(lpad('x', 2000000000, 'y')) + length(rpad('x', 2000000000, 'y'))
-- # enormous_range
select len(range(4000000000))
-- # enormous_generated_list
select len(list_transform(range(400000000), lambda x: x::varchar))
-- # enormous_sort
select x from range(2000000000) t(x) order by hash(x)
-- # enormous_groups
select count(*) from (select hash(x), count(*) from range(2000000000) t(x) group by 1)
-- # enormous_hash_join
select count(*) from range(1000000000) a(x) join range(1000000000) b(x) on hash(a.x) = hash(b.x)
-- # enormous_window
select max(s) from (select sum(x) over (order by hash(x)) s from range(2000000000) t(x))
-- # slow_pattern
select count(*) from range(100000000) t(x) where regexp_matches(repeat('a', 20000) || x, '(a+)+(b|c)+$')
-- # deep_nesting
select {deep}
-- # deep_subqueries
select * from {subqueries}
-- # sleep
select sleep_ms(1000000)
