-- Misfits name counters or known metrics, and their columns are empty.
with misfits as (
    select
        *,
        unnest(misfits) as misfit
    from lake_events
    where misfits is not null
)

select
    job_id,
    event_id,
    misfit
from misfits
where
    (
        case misfit
            when 'step' then step
            when 'total_steps' then total_steps
            when 'train_loss' then train_loss
            when 'train_mean_token_accuracy' then train_mean_token_accuracy
            when 'valid_loss' then valid_loss
            when 'valid_mean_token_accuracy' then valid_mean_token_accuracy
            when 'full_valid_loss' then full_valid_loss
            when 'full_valid_mean_token_accuracy' then full_valid_mean_token_accuracy
            when 'train_mean_reward' then train_mean_reward
            when 'valid_mean_reward' then valid_mean_reward
            when 'full_valid_mean_reward' then full_valid_mean_reward
            when 'full_valid_mean_parse_error' then full_valid_mean_parse_error
            when 'reasoning_tokens_mean' then reasoning_tokens_mean
            when 'valid_reasoning_tokens_mean' then valid_reasoning_tokens_mean
            when 'completion_tokens_mean' then completion_tokens_mean
            when 'mean_unresponsive_rewards' then mean_unresponsive_rewards
            else 0
        end
    ) is not null
;
