-- Question: which words may stand in the coded columns of a regular event?
-- Grain:    one type per column
-- Reads:    nothing
-- Caveat:   events with other words are read exactly. The filter must stay above the parsing:
--           pushed below it, each of its terms would parse the record again. Each thread gathers a
--           row group, and one thread reads what they all parse: more than a few only take memory.
create type level_word as enum ('info', 'warn', 'error');
create type type_word as enum ('message', 'metrics', 'moderation_checks');
create type object_word as enum ('fine_tuning.job.event');
create type dialect_word as enum ('openai', 'azure');
set disabled_optimizers = 'filter_pushdown';
set preserve_insertion_order = false;
set memory_limit = '1GB';
set threads = least(4, current_setting('threads'));
