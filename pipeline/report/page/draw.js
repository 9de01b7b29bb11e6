// Curves: what of a job's data the chart is given, and the chart itself, drawn by Vega.

const ROLES = ["a", "b", "c"];
const PAPER = 680; // width of a chart on paper [pixel]
const FEW = 60; // a curve of no more points shows each of them

/** The metrics of a group that a job has, with their role in the chart. */
function seriesOf(job, group) {
  return GROUPS[group]
    .map((metric, i) => ({ metric, role: ROLES[i], curve: job.details.curves[metric] }))
    .filter((series) => series.curve);
}

function groupsOf(job) {
  return Object.keys(GROUPS).filter((group) => seriesOf(job, group).length);
}

/** Every step that a curve of the group has, in order. */
function stepsOf(series) {
  if (series.length === 1) return series[0].curve.x;
  return [...new Set(series.flatMap(({ curve }) => curve.x))].sort((a, b) => a - b);
}

/** Whether a curve has noise to smooth: evaluations are few, and means already. */
function isDense(curve, series) {
  const points = ({ of, x }) => of ?? x.length;
  return 3 * points(curve) >= Math.max(...series.map((other) => points(other.curve)));
}

/** The data sets of the chart, and how many values a log scale has no place for. */
function chartData(job, group, { hidden, smoothing, log }) {
  const series = seriesOf(job, group);
  const shown = series.filter(({ metric }) => !hidden.has(metric));
  const drawable = (y) => (Number.isFinite(y) && (!log || y > 0) ? y : null);
  const isBelow = (y) => log && y <= 0;
  let below = 0;
  const rows = (x, ys, role, d) => x.map((step, i) => ({ x: step, y: drawable(ys[i]), s: role, d }));
  const data = { earlier: [], raw: [], lines: [], points: [], marks: [] };
  for (const { metric, role, curve } of shown) {
    const raw = rows(curve.x, curve.y, role);
    below += curve.y.filter(isBelow).length;
    const smooth = smoothing > 0 && isDense(curve, series);
    if (smooth) data.raw.push(...raw);
    // where there is nothing to be seen, an average that nears it would tell of values
    const average = (smoothed) => smoothed.map((y, i) => (isBelow(curve.y[i]) ? NaN : y));
    data.lines.push(...(smooth ? rows(curve.x, average(smoothCurve(curve, smoothing)), role) : raw));
    if (curve.x.length <= FEW) data.points.push(...raw);
    for (const thrown of job.details.earlier.filter((e) => e.metric === metric))
      data.earlier.push(...rows(thrown.x, thrown.y, role, `${metric} ${thrown.attempt}`));
  }
  data.marks = marksOf(job, shown).filter((mark) => drawable(mark.y) !== null);
  return { sets: data, below };
}

const NAME_ROWS = 3; // of names one below another
const LETTER = 6.2; // of a name, on average [pixel]

/** Steps and stretches that are named in a chart of some width; where no name has room, none. */
function bandsOf(job, steps, width) {
  const [first, last] = [steps[0], steps[steps.length - 1]];
  const taken = Array(NAME_ROWS).fill(-Infinity);
  return job.details.spans.map(([text, x, x2]) => {
    const at = last > first ? ((x - first) / (last - first)) * width : 0;
    const long = LETTER * text.length + 10;
    const left = at > width - 90 ? at - long : at; // as chart.py turns it
    const row = taken.findIndex((end) => end <= left);
    if (row >= 0) taken[row] = left + long;
    return { x, x2, text: row < 0 ? "" : text, row: Math.max(row, 0) };
  });
}

/** What is marked on the curves: the best step, checkpoints, the peaks of spikes. */
function marksOf(job, shown) {
  const valueAt = (step, metrics) => {
    for (const { metric, curve } of shown.filter((s) => !metrics || metrics.includes(s.metric))) {
      const i = indexAt(curve.x, step);
      if (curve.x[i] === step && Number.isFinite(curve.y[i])) return curve.y[i];
    }
    return null;
  };
  const marks = [];
  const own = [...shown].reverse().map(({ metric }) => metric);
  const used = job.details.advice?.step ?? null;
  for (const step of checkpointSteps(job)) {
    const y = own.map((metric) => valueAt(step, [metric])).find((value) => value !== null);
    const kind = step === used ? "advised" : "checkpoint";
    if (y !== undefined) marks.push({ x: step, y, kind, text: step === used ? `use ${step}` : "" });
  }
  for (const [step, y] of job.details.spikes)
    if (shown.some(({ metric }) => metric === "train_loss"))
      marks.push({ x: step, y: Number(y), kind: "spike", text: "spike" });
  const best = bestOf(job);
  const value = best && valueAt(best.step, [best.metric]);
  if (value !== null && value !== undefined)
    marks.push({ x: best.step, y: value, kind: "best", text: `best ${best.step}` });
  return marks;
}

/** Steps of the checkpoints, the one to use among them: the final model is one, too. */
function checkpointSteps(job) {
  const { checkpoints, advice } = job.details;
  const steps = new Set(checkpoints.map(({ step }) => step));
  if (advice && advice.step !== null) steps.add(advice.step);
  steps.delete(undefined);
  return [...steps].sort((a, b) => a - b);
}

function bestOf(job) {
  return job.best_step === null ? null : { metric: job.measure, step: job.best_step };
}

/** Draw a chart into a box; the answer can be given new data and a picked step. */
async function draw(box, log, data, label) {
  const began = performance.now();
  const spec = { ...structuredClone(LAKE.charts[log ? "log" : "linear"]), datasets: data };
  spec.height = innerWidth < 600 ? 240 : 320;
  const { view, finalize } = await vegaEmbed(box, spec, {
    actions: false, ast: true, renderer: "svg", defaultStyle: false, hover: false,
    tooltip: () => {}, logLevel: 1,
  });
  const picture = box.querySelector("svg");
  picture.setAttribute("aria-label", label);
  picture.setAttribute("role", "img");
  box.dataset.drawn = Math.round(performance.now() - began);
  onbeforeprint = () => view.width(PAPER).run(); // else its words shrink with it
  onafterprint = () => view.width(box.clientWidth).run();
  return {
    finalize,
    give: (sets) => {
      for (const [name, rows] of Object.entries(sets)) view.data(name, rows);
      return view.runAsync();
    },
    stepAt: (event) => {
      const left = event.clientX - picture.getBoundingClientRect().left - view.origin()[0];
      return view.scale("x").invert(left);
    },
  };
}

/** The small picture of a curve in the list of jobs. */
function sparkline(heights) {
  if (!heights?.length) return el("span", { class: "muted" }, "–");
  const x = (i) => ((i * 78) / (heights.length - 1) + 1).toFixed(1);
  const points = heights.map((h, i) => `${x(i)},${(21 - h * 0.2).toFixed(1)}`).join(" ");
  return svg(
    "svg",
    { class: "spark", viewBox: "0 0 80 22", "aria-hidden": "true" },
    svg("polyline", { points }),
  );
}

/** How a curve is drawn, for the legend: its colour, its dash and its shape. */
function swatch(role) {
  const shapes = {
    a: svg("circle", { cx: 14, cy: 6, r: 3 }),
    b: svg("rect", { x: 11.2, y: 3.2, width: 5.6, height: 5.6 }),
    c: svg("path", { d: "M14 2l4 4-4 4-4-4z" }),
  };
  return svg(
    "svg",
    { class: `swatch series-${role}`, viewBox: "0 0 28 12", "aria-hidden": "true" },
    svg("path", { d: "M0 6h28" }),
    shapes[role],
  );
}
