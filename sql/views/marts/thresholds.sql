-- From which values on do the detectors speak, and why from there?
--
-- Grain: detector, threshold
-- Reads:
-- Caveat: the defaults. The detectors (overfitting, divergences, loss_spikes, stalls) read their
--   thresholds here and nowhere else: replace this view in a connection to set others. Only the
--   window of loss_spikes is the macro loss_spikes_window(): a frame that is no constant makes the
--   median three times as slow.
create or replace macro loss_spikes_window() as 15
;

create or replace view thresholds as
select
    detector,
    threshold,
    value::double as value,
    unit,
    least::double as least,
    most::double as most,
    reason
from (
    values
    ('overfitting', 'least_evaluations', 5, 'evaluation', 2, null,
        'fewer show no trend'),
    ('overfitting', 'least_full_evaluations', 2, 'evaluation', 2, null,
        'the same on the whole validation set: often one at the end of each of two epochs'),
    ('overfitting', 'told_noise', 8, 'evaluation', 3, null,
        'so many on the whole set tell their noise: of fewer the turn would be most of it'),
    ('overfitting', 'few_noise', 0.1, '1', 0, null,
        'noise of these, as a share of the least: a whole set has about 0.06'),
    ('overfitting', 'window_share', 0.33, '1', 0, 1,
        'share of the evaluations that are smoothed together: valid_loss is a sample, and noisy'),
    ('overfitting', 'least_window', 3, 'evaluation', 3, null,
        'fewer follow each outlier'),
    ('overfitting', 'most_window', 6, 'evaluation', 3, null,
        'more would not see what rises late, but in a long curve: long_share'),
    ('overfitting', 'long_share', 0.1, '1', 0, 1,
        'share of them that is smoothed together where it is more: of many, more noise goes'),
    ('overfitting', 'mild_loss', 20, '%', 0, null,
        'generalisation loss that the eye sees; Prechelt''s 1 to 5 need the whole set each time'),
    ('overfitting', 'marked_loss', 50, '%', 0, null,
        'half as much again as the best'),
    ('overfitting', 'severe_loss', 100, '%', 0, null,
        'twice the best'),
    ('overfitting', 'noise_multiple', 6, '1', 0, null,
        'standard errors of the smoothed loss that it must exceed, too: few clean jobs reach 5'),
    ('overfitting', 'reward_noise_multiple', 7, '1', 0, null,
        'the same of a reward, whose noise does not grow with it: few clean jobs reach 6'),
    ('overfitting', 'least_rise', 0.05, '1', 0, null,
        'a rise of less matters to nobody, however large as a ratio: tiny losses'),
    ('overfitting', 'persistence', 2, 'evaluation', 1, null,
        'smoothed evaluations in a row up to the last: one more than a leap at the very end gives'),
    ('overfitting', 'run', 3, 'evaluation', 2, null,
        'or so many losses in a row, not smoothed: a short curve ends before more means rise'),
    ('overfitting', 'alone', 1.5, '1', 1, null,
        'or the last mean, or the last of few on the whole set, above by so many times the rise '
        || 'that counts: a short curve ends before more means rise'),
    ('divergences', 'smoothing', 0.9, '1', 0, 0.999,
        'averages about ten points, far below usual noise'),
    ('divergences', 'warm_up', 5, 'point', 1, null,
        'the average is as noisy as a point before'),
    ('divergences', 'ratio', 2, '1', 1, null,
        'twice the least smoothed loss so far'),
    ('divergences', 'fall', 0.5, '1', 0, null,
        'share of the best smoothed reward so far by which it has to fall'),
    ('divergences', 'least_rise', 0.25, '1', 0, null,
        'share of the loss or reward at the start by which it has to change, too: tiny losses'),
    ('divergences', 'floor', 0.02, '1', 0, null,
        'a loss rises by more in any case: twice the last digit that messages tell'),
    ('divergences', 'noise_multiple', 3, '1', 0, null,
        'standard deviations of the noise beyond the best, too: 2 alarmed once in some thousand'),
    ('divergences', 'persistence', 15, 'point', 1, null,
        'a spike is over sooner; noise of batches of one lasts for 10'),
    ('divergences', 'ending', 7, 'point', 1, null,
        'or the median of so many at the end: a curve may stop before the average follows'),
    ('loss_spikes', 'window', loss_spikes_window(), 'point', 1, null,
        'points before it whose median is the usual loss'),
    ('loss_spikes', 'least_before', 6, 'point', 1, null,
        'of fewer the losses fall too fast for any to be usual'),
    ('loss_spikes', 'warm_up', 20, 'point', 1, null,
        'up to here the median of the points after has to be exceeded as well: that of those '
        || 'before alone alarmed up to step 14, of batches of one'),
    ('loss_spikes', 'deviations', 7, '1', 0, null,
        'standard deviations above usual: real noise, with its long tail, reaches 7'),
    ('loss_spikes', 'told_tail', 400, 'point', 1, null,
        'so many points tell how high the highest is by chance: it counts above that, too'),
    ('loss_spikes', 'least_rise', 0.3, '1', 0, null,
        'share of the loss at the start by which it has to rise, too: flat curves'),
    ('loss_spikes', 'floor', 0.02, '1', 0, null,
        'a loss rises by more in any case: twice the last digit that messages tell'),
    ('loss_spikes', 'learnt', 0.05, '1', 0, null,
        'usual loss, as a share of that at the start, under which it is learnt by heart: what is '
        || 'not learnt yet stands out then, and counts only above the loss at the start'),
    ('loss_spikes', 'merge', 5, 'point', 1, null,
        'spikes so near to one another are one'),
    ('loss_spikes', 'crowd', 5, 'leap', 1, null,
        'from so many leaps on they may be single answers that are wrong, as of a classifier'),
    ('loss_spikes', 'crowd_share', 0.01, '1', 0, 1,
        'if they take that share of the points, too'),
    ('loss_spikes', 'large_crowd', 20, 'leap', 1, null,
        'or are so many: of a long job that share is never reached'),
    ('loss_spikes', 'crowd_height', 10, '1', 0, null,
        'and are so many times as high as the median loss: else they tell of the training'),
    ('loss_spikes', 'crowd_level', 0.1, '1', 0, null,
        'and that is below: of a model that is sure, its answers'' probability being above 0.9'),
    ('stalls', 'least_gaps', 10, 'gap', 1, null,
        'fewer tell no usual gap'),
    ('stalls', 'ratio', 20, '1', 1, null,
        'times the usual gap between the steps of the job'),
    ('stalls', 'least_seconds', 1800, 's', 0, null,
        'restarts and evaluations pause a job for minutes, and clocks are coarse'),
    ('stalls', 'abandoned_seconds', 259200, 's', 0, null,
        'silent for longer: the job was not dumped any more, which tells nothing of it')
) as defaults (detector, threshold, value, unit, least, most, reason)
;

comment on view thresholds is
    'From which values on do the detectors speak, and why from there?';
comment on column thresholds.detector is 'the view that reads it [text]';
comment on column thresholds.threshold is 'name of the threshold [text]';
comment on column thresholds.value is 'its default [unit of the threshold]';
comment on column thresholds.unit is 'unit of the value [text]';
comment on column thresholds.least is 'the least it can be set to [unit of the threshold]';
comment on column thresholds.most is
    'the most it can be set to, NULL without end [unit of the threshold]';
comment on column thresholds.reason is 'why that default [text]';
