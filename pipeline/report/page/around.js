// What was logged around a step: a step is picked on the curve, with the slider, or from mark to mark.

const NEAR = 4; // messages shown before and after the picked step, beside all of its own
const OWN = 40; // of more at the step itself, the gravest

/**
 * The panel below the curve.
 * @param picked called with each step that is picked here.
 * @returns its elements, and a function that picks the step nearest to a given one.
 */
function aroundPanel(job, picked) {
  const slider = el("input", { type: "range", id: "step", min: 0, step: 1, oninput: () => show() });
  const at = el("output", { for: "step", class: "at" });
  const values = el("dl", { class: "values" });
  const list = el("ol", { class: "log" });
  const jump = (way) => el(
    "button",
    { type: "button", onclick: () => jumpTo(way), "aria-label": way < 0 ? "Previous mark" : "Next mark" },
    way < 0 ? "← mark" : "mark →",
  );
  let series = [];
  let steps = [];

  /** Each curve's name and value at a step. */
  function valuesAt(step) {
    return series.map(({ metric, curve }) => {
      const i = indexAt(curve.x, step);
      return [METRICS[metric], curve.x[i] === step ? number(curve.y[i]) : "–"];
    });
  }

  function inWords(step) {
    return `step ${count(step)}: ${valuesAt(step).map((pair) => pair.join(" ")).join(", ")}`;
  }

  function show() {
    const step = steps[Number(slider.value)];
    if (step === undefined) return;
    at.textContent = `step ${count(step)}`;
    slider.setAttribute("aria-valuetext", inWords(step));
    values.replaceChildren(...valuesAt(step).map(([name, value]) =>
      el("div", {}, el("dt", {}, name), el("dd", {}, value))));
    list.replaceChildren(...nearMessages(job.details.messages, step));
    picked(step);
  }

  function jumpTo(way) {
    const now = steps[Number(slider.value)];
    const marks = [...markedSteps(job)].sort((a, b) => a - b);
    const next = way > 0 ? marks.find((m) => m > now) : marks.findLast((m) => m < now);
    if (next !== undefined) pick(next);
  }

  function pick(step) {
    slider.value = nearestIndex(steps, step);
    show();
  }

  return {
    parts: [
      el("div", { class: "picker" }, el("label", { for: "step" }, "Step"), jump(-1), slider, jump(1), at),
      values,
      el("h3", {}, "Logged near it"),
      list,
    ],
    pick,
    read: (step) => inWords(steps[nearestIndex(steps, step)]),
    step: () => steps[Number(slider.value)],
    use: (chosen) => {
      const before = steps[Number(slider.value)];
      series = chosen;
      steps = stepsOf(series);
      slider.max = Math.max(0, steps.length - 1);
      pick(before ?? bestOf(job)?.step ?? steps.at(-1));
    },
  };
}

function markedSteps(job) {
  const steps = new Set(checkpointSteps(job));
  for (const [step] of job.details.spikes) steps.add(step);
  for (const [, from] of job.details.spans) steps.add(from);
  const best = bestOf(job);
  if (best) steps.add(best.step);
  return steps;
}

/** The messages of a step, and those that stand before and after them in time, as list items. */
function nearMessages({ rows, of }, step) {
  const own = rows.filter((row) => row.step === step);
  const kept = new Set([...own].sort((a, b) => b.severity - a.severity).slice(0, OWN));
  const others = rows.filter((row) => row.step !== step);
  const begin = others.filter((row) => row.step === null || row.step < step).length;
  const near = new Set([...kept, ...others.slice(Math.max(0, begin - NEAR), begin + NEAR)]);
  const items = rows.filter((row) => near.has(row)).map((row) => messageItem(row, {
    distance: distance(row.step, step),
    isAfter: row.step !== null && row.step > step,
  }));
  const left = own.length - kept.size;
  if (left) items.push(el("li", { class: "empty" }, `${counted(left, "message")} more at this step: see all messages below.`));
  if (of > rows.length) items.push(el("li", { class: "empty" }, leftOut(of - rows.length)));
  return items.length ? items : [el("li", { class: "empty" }, "Nothing but steps was logged.")];
}

/** What this page lacks of a job's messages. */
function leftOut(n) {
  return `${counted(n, "message")} of this job, far from its begin and end, ${n === 1 ? "is" : "are"} not on this page: tunelog timeline shows all.`;
}

function distance(at, step) {
  if (at === null) return "before the first step";
  if (at === step) return "at this step";
  return `${counted(Math.abs(at - step), "step")} ${at < step ? "before" : "after"}`;
}

/** A message as a list item: when, how grave, what. */
function messageItem(row, { distance = null, isAfter = false } = {}) {
  const weight = WEIGHTS[row.severity];
  const word = row.severity ? ["", "warning", "error"][row.severity] : null;
  const level = ["info", "warn", "error"].includes(row.level) ? null : `level ${row.level || "empty"}`;
  return el(
    "li",
    { class: `${weight} ${isAfter ? "after" : ""}` },
    el("span", { class: "when" }, time(row.at, true)),
    distance && el("span", { class: "muted" }, distance),
    word && el("span", { class: `word ${weight}` }, sign(weight), word),
    level && el("span", { class: "muted" }, said(level)),
    el("p", {}, said(row.message)),
  );
}
