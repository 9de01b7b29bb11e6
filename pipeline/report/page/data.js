// The data of the page, read from its script elements: the overview at once, a job when it is asked.

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const LAKE = read("overview");
const JOBS = LAKE.jobs;
const NUMBER_OF = new Map(JOBS.job_id.map((id, i) => [id, i]));

const STATUS = {
  succeeded: "succeeded", failed: "failed", cancelled: "cancelled", running: "running",
  pausing: "pausing", paused: "paused", queued: "queued", validating_files: "validating",
  unknown: "unknown",
};
const WEIGHTS = ["note", "warning", "grave"];

const METRICS = {
  train_loss: "training", valid_loss: "validation", full_valid_loss: "full validation",
  train_mean_token_accuracy: "training", valid_mean_token_accuracy: "validation",
  full_valid_mean_token_accuracy: "full validation",
  train_mean_reward: "training", valid_mean_reward: "validation",
  full_valid_mean_reward: "full validation",
  completion_tokens_mean: "completion", reasoning_tokens_mean: "reasoning",
  valid_reasoning_tokens_mean: "reasoning, validation",
  mean_unresponsive_rewards: "unanswered reward calls",
  full_valid_mean_parse_error: "parse errors, full validation",
};
const GROUPS = {
  Loss: ["train_loss", "valid_loss", "full_valid_loss"],
  Reward: ["train_mean_reward", "valid_mean_reward", "full_valid_mean_reward"],
  Accuracy: [
    "train_mean_token_accuracy", "valid_mean_token_accuracy", "full_valid_mean_token_accuracy",
  ],
  Tokens: ["completion_tokens_mean", "reasoning_tokens_mean", "valid_reasoning_tokens_mean"],
  Errors: ["mean_unresponsive_rewards", "full_valid_mean_parse_error"],
};
const MEASURES = {
  full_valid_loss: "full validation", valid_loss: "validation", train_loss: "training",
  full_valid_mean_reward: "full reward", valid_mean_reward: "valid. reward",
  train_mean_reward: "training reward",
};
const RULES = {
  error: "error", nan: "not a number", divergence: "divergence", overfit: "overfitting",
  spike: "spike", stall: "stall", gap: "steps missing", restart: "restart",
};

/** A job: what the overview lists of it, its details, its curves with steps and values as numbers. */
function readJob(i) {
  const block = document.getElementById(`job-${i}`);
  const details = block ? JSON.parse(block.textContent) : null;
  if (details) {
    for (const curve of [...Object.values(details.curves), ...details.earlier]) unpack(curve);
    unpackMessages(details.messages);
  }
  const listed = Object.fromEntries(Object.entries(JOBS).map(([name, list]) => [name, list[i]]));
  return { ...listed, number: i, details };
}

function unpack(curve) {
  const { x } = curve;
  if (!Array.isArray(x)) curve.x = Array.from({ length: x.n }, (_, i) => x.from + i * x.by);
  curve.y = curve.y.map(Number);
  for (const [stop, values] of Object.entries(curve.s ?? {}))
    curve.s[stop] = values.map((v) => (v === null ? NaN : Number(v)));
}

function unpackMessages(messages) {
  const { at = [], at_step, level, message, severity } = messages;
  messages.rows = at.map((_, i) => ({
    at: at[i], step: at_step[i], level: level[i], message: message[i], severity: severity[i],
  }));
}

/**
 * TensorBoard's debiased exponential moving average: last = s * last + (1 - s) * y, divided by
 * 1 - s^n; values that are no numbers are passed over. Only for curves that are here whole.
 * Twelve digits: of equal values the rest would be all that there is to draw.
 */
function smoothed(values, s) {
  let last = 0;
  let weight = 1;
  return values.map((y) => {
    if (!Number.isFinite(y)) return NaN;
    last = s * last + (1 - s) * y;
    weight *= s;
    return Number((last / (1 - weight)).toPrecision(12));
  });
}

/** Amounts of smoothing that all of these curves have: any, or where one was thinned, a few. */
function amounts(curves) {
  const thinned = curves.find((curve) => curve.s);
  if (thinned) return [0, ...Object.keys(thinned.s).map(Number).sort((a, b) => a - b)];
  return Array.from({ length: 100 }, (_, i) => i / 100);
}

function smoothCurve(curve, s) {
  if (s === 0) return curve.y;
  return curve.s ? curve.s[String(s)] : smoothed(curve.y, s);
}

/** Index of the last step that is not after the given one, 0 where all are. */
function indexAt(steps, step) {
  let low = 0;
  let high = steps.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (steps[middle] <= step) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Index of the nearest step. */
function nearestIndex(steps, step) {
  const i = indexAt(steps, step);
  return i + 1 < steps.length && steps[i + 1] - step < step - steps[i] ? i + 1 : i;
}
