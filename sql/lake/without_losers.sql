-- Question: which rows of a file stay?
-- Grain:    one row per event, in the order of the file
-- Reads:    one_file, losers
select one_file.*
from one_file
anti join losers
    on one_file.source_id = losers.source_id
    and one_file.position = losers.position
    and one_file."offset" = losers."offset"
    and losers.is_held = {is_held}
