-- Question: which rows do the ledger and the snapshot that views read not have in common?
-- Grain:    one row per row that only one of the two holds
-- Reads:    lake_{table}, told_{table} (the ledger's rows, in the snapshot's columns)
select
    'the ledger' as held_by,
    only_told.*
from (
    select * from told_{table}
    except all
    select * from lake_{table}
) as only_told

union all

select
    'the snapshot' as held_by,
    only_shown.*
from (
    select * from lake_{table}
    except all
    select * from told_{table}
) as only_shown
