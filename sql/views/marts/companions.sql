-- What do the dumps tell of jobs beside their events: objects, webhooks, rows of result files?
--
-- Grain: job_id, kind, content
-- Reads: lake_companions
-- Caveat: of an object only the fields that are listed are kept, and each different state of it.
--   jobs, checkpoints and loss_curves are made from these too. Of equal ones the first is kept, so
--   the source is one of perhaps many.
create or replace view companions as
from lake_companions
;

comment on view companions is
    'What do the dumps tell of jobs beside their events: objects, webhooks, rows of result files?';
comment on column companions.job_id is 'fine-tuning job it is about [id]';
comment on column companions.kind is
    'job, checkpoint, outcome (a webhook) or result (a row of a file) [text]';
comment on column companions.content is 'the fields that are kept, as JSON text [text]';
comment on column companions.source_id is 'the source it was read from [id]';
comment on column companions.position is
    'ordinal of its record in the source, from 0; of several in one record the same [1]';
comment on column companions.offset is
    'byte offset of its record in the (decompressed) source [byte]';
