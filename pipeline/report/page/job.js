// The page of one job: what came of it, its curves, and all that was logged.

function jobPage(i) {
  const job = readJob(i);
  if (!job.details) return [backLink(), el("h1", { tabindex: -1 }, said(job.job_id)), el("p", {}, "This report holds no more of this job.")];
  return [
    jobHead(job),
    verdicts(job),
    curveSection(job),
    phaseSection(job),
    ...tableSections(job),
    qualitySection(job),
    messageSection(job),
  ];
}

function backLink() {
  return el("a", { href: "#", class: "back" }, "← All jobs");
}

function jobHead(job) {
  const next = (way) => {
    const other = job.number + way;
    if (other < 0 || other >= LAKE.detailed) return null;
    return el("a", { href: `#job=${encodeURIComponent(JOBS.job_id[other])}` }, way < 0 ? "← newer" : "older →");
  };
  const d = job.details;
  const pace = d.throughput[0] ?? {};
  const stalled = d.found.some(({ rule }) => rule === "stall");
  const facts = [
    ["Method", job.method], ["Base model", d.base_model], ["Dialect", job.dialect],
    ["Epochs", d.n_epochs], ["Batch size", d.batch_size],
    ["Learning rate multiplier", d.learning_rate_multiplier],
    ["Created", time(d.created_at)], ["Waited", duration(d.wait_seconds)],
    ["From start to end", duration(d.run_seconds)], ["Took", tookWords(job.number)],
    ["Steps", stepWords(job)],
    ["A step takes", duration(stalled ? pace.median_seconds_per_step : pace.seconds_per_step)],
    ["Due, at its pace", dueWords(pace)], ["Rank", rankWords(d.leaderboard[0])],
    ["Tokens", count(d.trained_tokens ?? d.billed_tokens)],
    ["Training file", d.training_file], ["Validation file", d.validation_file],
    ["Results file", d.result_file],
  ].filter(([, value]) => value);
  return el("header", { class: "top" },
    el("nav", { "aria-label": "Jobs" }, JOBS.job_id.length > 1 ? [backLink(), next(-1), next(1)] : null),
    el("h1", { tabindex: -1 }, said(job.job_id)),
    el("p", { class: "lead" }, sign(job.status), " ", STATUS[job.status] ?? job.status,
      job.name && !d.model_id?.includes(job.name) ? [" · ", said(job.name)] : null,
      d.model_id ? [" · ", el("span", {}, "model "), said(d.model_id), isBlocked(job, d.model_id) ? ", blocked by a usage policy check" : null] : null),
    el("dl", { class: "facts" }, facts.map(([name, value]) =>
      el("div", { class: String(value).length > 24 && "long" }, el("dt", {}, name), el("dd", {}, said(value))))));
}

/** Whether a usage policy check blocked a model, or a step's: one that names none holds for all. */
function isBlocked(job, model, step) {
  return job.details.blocked.some((name) => name === null || name === model || name.endsWith(`:ckpt-step-${step}`));
}

function stepWords(job) {
  if (job.last_step === null) return "";
  return job.total_steps ? `${count(job.last_step)} of ${count(job.total_steps)}` : count(job.last_step);
}

/** When a running job will be done, as its pace tells. */
function dueWords({ done_at, seconds_left, steps_left }) {
  if (done_at === undefined || !steps_left) return "";
  return seconds_left < 0
    ? `${time(done_at)}, overdue`
    : `${time(done_at)}, in ${duration(seconds_left)}`;
}

function rankWords(place) {
  return place?.rank && place.jobs > 1 ? `${count(place.rank)} of ${count(place.jobs)} by ${MEASURES[place.metric]}` : "";
}

const RESTARTS = 5; // told before the curve; the attempts have all

/** Advice and findings, the gravest first. */
function verdicts(job) {
  const { found, advice, kept, unjudged } = job.details;
  const names = (rules) => rules.map((rule) => RULES[rule]).join(", ");
  const restarts = found.filter(({ rule }) => rule === "restart");
  const unlisted = new Set(restarts.slice(RESTARTS));
  const listed = found.filter((one) => !unlisted.has(one));
  return el("section", { class: "verdicts", "aria-label": "Verdicts" },
    advice ? el("p", { class: "advice" }, advice.words, advice.model_id ? [el("br"), el("code", {}, said(advice.model_id))] : null) : null,
    el("ul", {}, listed.map((one) => el("li", {},
      el("span", { class: `word ${WEIGHTS[one.weight]}` }, sign(WEIGHTS[one.weight]), RULES[one.rule] ?? one.rule), " ", said(one.words)))),
    unlisted.size ? el("p", { class: "kept" }, `${counted(unlisted.size, "more restart")}: see the attempts below.`) : null,
    kept.length ? el("p", { class: "kept" }, sign("succeeded"), ` None of: ${names(kept)}.`) : null,
    unjudged.length
      ? el("p", { class: "kept" }, sign("cancelled"),
        ` Not judged: ${unjudged.map(([rules, why]) => `${names(rules)} (${why})`).join("; ")}.`)
      : null);
}

function curveSection(job) {
  const groups = groupsOf(job);
  const box = el("div", { class: "chart" });
  if (!groups.length) {
    return el("section", {}, el("h2", {}, "Curves"),
      el("p", { class: "empty" }, "Nothing at hand gives metrics of this job."));
  }
  const state = { group: groups[0], hidden: new Set(), smoothing: 0, log: false, picture: null, turn: 0 };
  const around = aroundPanel(job, (step) => state.picture?.give({ pick: [{ x: step }] }));
  const legend = el("div", { class: "legend" });
  const signs = el("ul", { class: "signs" });
  const note = el("p", { class: "muted" });
  const unseen = el("p", { class: "muted", role: "status" });
  const amount = el("output", { for: "smoothing" });
  const slider = el("input", { type: "range", id: "smoothing", min: 0, step: 1, oninput: () => smooth() });
  const log = el("input", { type: "checkbox", id: "log", onchange: () => { state.log = log.checked; redraw(); } });
  const tabs = el("div", { class: "tabs", role: "group", "aria-label": "Metrics" }, groups.map((group) =>
    el("button", { type: "button", "aria-pressed": "false", onclick: () => choose(group) }, group)));

  function stops() {
    return amounts(seriesOf(job, state.group).map(({ curve }) => curve));
  }

  function smooth() {
    const all = stops();
    state.smoothing = all[Number(slider.value)];
    amount.textContent = state.smoothing ? state.smoothing.toFixed(2) : "none";
    slider.setAttribute("aria-valuetext", amount.textContent);
    const data = chartData(job, state.group, state);
    unseen.textContent = data.below ? `${counted(data.below, "value")} at or below 0, so not on a log scale.` : "";
    state.picture?.give(data.sets);
  }

  function choose(group) {
    state.group = group;
    state.hidden.clear();
    [...tabs.children].forEach((tab, i) => tab.setAttribute("aria-pressed", String(groups[i] === group)));
    const series = seriesOf(job, group);
    const all = stops();
    slider.max = all.length - 1;
    const dense = series.some(({ curve }) => curve.x.length > FEW);
    const usual = all.length < 100 ? all.length - 1 : nearestIndex(all, 0.6);
    slider.value = dense ? usual : 0;
    const [long] = series.map(({ curve }) => curve).filter(({ of }) => of).sort((a, b) => b.of - a.of);
    note.textContent = long
      ? `Of ${count(long.of)} steps ${count(long.x.length)} are drawn: the lowest and the highest of each stretch, and all that is marked. Smoothing was computed on all of them.`
      : "";
    legend.replaceChildren(...series.map(({ metric, role }) => el("label", {},
      el("input", {
        type: "checkbox", checked: true,
        onchange: (event) => { state.hidden[event.target.checked ? "delete" : "add"](metric); smooth(); },
      }),
      swatch(role), METRICS[metric])));
    signs.replaceChildren(...markLegend(job, series).map((item) => el("li", {}, item)));
    around.use(series);
    redraw();
  }

  async function redraw() {
    const turn = ++state.turn;
    state.picture?.finalize();
    state.picture = null;
    smooth();
    const label = `${state.group} by step: ${seriesOf(job, state.group).map(({ metric }) => METRICS[metric]).join(", ")}`;
    const steps = stepsOf(seriesOf(job, state.group));
    const bands = bandsOf(job, steps, box.clientWidth);
    const frame = [{ x: steps[0] }, { x: steps.at(-1) }];
    const picture = await draw(box, state.log, { frame, bands, ...chartData(job, state.group, state).sets }, label);
    if (turn !== state.turn) return picture.finalize();
    state.picture = picture;
    around.pick(around.step());
  }

  box.addEventListener("click", (event) => {
    if (state.picture) around.pick(Math.round(state.picture.stepAt(event)));
  });
  box.addEventListener("pointermove", (event) => {
    if (state.picture) box.title = around.read(Math.round(state.picture.stepAt(event)));
  });
  queueMicrotask(() => choose(groups[0]));
  return el("section", { class: "curves" },
    el("div", { class: "row" }, el("h2", {}, "Curves"), groups.length > 1 ? tabs : null),
    el("div", { class: "row tools" }, legend,
      el("label", { for: "smoothing" }, "Smoothing", slider, amount),
      el("label", { for: "log", class: "check" }, log, "Log scale")),
    box, unseen, note, signs, el("div", { class: "around" }, around.parts));
}

/** What the marks on the curves of a group mean, those that they have. */
function markLegend(job, series) {
  const kinds = new Set(marksOf(job, series).map(({ kind }) => kind));
  const metrics = new Set(series.map(({ metric }) => metric));
  const shape = (name, path) => svg("svg", { class: `sign mark ${name}`, viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: path }));
  return [
    kinds.has("best") && [shape("best", "M8 1l2 5 5 .3-4 3.2 1.4 5L8 11.700l-4.400 2.800L5 9.500 1 6.300 6 6z"), "best step"],
    kinds.has("checkpoint") && [shape("checkpoint", "M8 2l6.500 12h-13z"), "checkpoint"],
    kinds.has("advised") && [shape("advised", "M8 2l6.500 12h-13z"), "checkpoint to use"],
    kinds.has("spike") && [shape("spike", "M8 14L1.500 2h13z"), "spike"],
    job.details.earlier.some(({ metric }) => metrics.has(metric)) && [svg("svg", { class: "swatch", viewBox: "0 0 28 12", "aria-hidden": "true" }, svg("path", { class: "thrown", d: "M0 6h28" })), "earlier attempt, thrown away"],
    job.details.spans.length && [svg("svg", { class: "swatch", viewBox: "0 0 28 12", "aria-hidden": "true" }, svg("rect", { class: "band", width: 28, height: 12 })), "step or stretch named in it"],
  ].filter(Boolean);
}

const PHASES = { untold: "told by no event" };

function phaseSection(job) {
  const phases = job.details.job_phases.filter(({ seconds }) => seconds >= 0);
  if (!phases.length) return null;
  const told = phases.reduce((sum, { seconds }) => sum + seconds, 0);
  const untold = job.is_part ? 0 : job.seconds - told; // as where only the job's object tells its end
  if (untold >= 1) phases.push({ phase: "untold", seconds: untold });
  const total = told + Math.max(untold, 0);
  const bar = el("div", { class: "bar phases", "aria-hidden": "true" }, phases.map(({ phase, seconds }) => {
    const part = el("span", { class: phase });
    part.style.flexGrow = total ? seconds : 1;
    return part;
  }));
  const words = phases.map(({ phase, seconds, is_last }) =>
    el("li", {}, el("span", { class: `key ${phase}`, "aria-hidden": "true" }), el("b", {}, PHASES[phase] ?? phase), ` ${duration(seconds) || "0 s"}`,
      is_last && job.status === "running" ? " so far" : ""));
  return el("section", {}, el("h2", {}, "Phases"), bar, el("ul", { class: "keys" }, words));
}

const percent = (value) => `${value > 0 ? "+" : ""}${Math.round(value)} %`;

const BESIDE_REWARDS = [
  ["reasoning_growth", "Reasoning tokens", percent],
  ["train_grader_error", "Grader errors, training"], ["valid_grader_error", "Grader errors, validation"],
  ["train_parse_error", "Not parsed, training"], ["valid_parse_error", "Not parsed, validation"],
  ["unresponsive_rewards", "Unanswered"],
];

function tableSections(job) {
  const { attempts, checkpoints, reward_gaps: gaps } = job.details;
  const sections = [];
  if (checkpoints.length) {
    const best = bestOf(job);
    // the model made is the checkpoint of the last step, as checkpoint_advice has it: told, planned
    // (counted from 0, the last of n steps is n - 1) or kept
    const planned = job.total_steps - attempts.some((a) => a.first_step === 0);
    const last = Math.max(job.last_step, planned, ...checkpoints.map((c) => c.step));
    const model = (c) => c.model_id ?? (c.step === last ? job.details.model_id : undefined);
    const measured = ["train_loss", "valid_loss", "full_valid_loss", "train_mean_reward", "full_valid_mean_reward"]
      .filter((name) => checkpoints.some((row) => row[name] !== undefined));
    sections.push(el("section", {}, el("h2", {}, "Checkpoints"), table("Checkpoints", [
      { head: "Step", right: true, cell: (c) => [count(c.step), best?.step === c.step ? el("small", {}, "best step") : null, c.is_final ? el("small", {}, "the model made") : null] },
      { head: "Model", cell: (c) => [model(c) ? said(model(c)) : "–", isBlocked(job, model(c), c.step) ? el("small", {}, "blocked") : null] },
      ...measured.map((name) => ({ head: `${METRICS[name]} ${name.endsWith("reward") ? "reward" : "loss"}`, right: true, cell: (c) => number(c[name]) || "–" })),
    ], checkpoints)));
  }
  if (gaps.length) {
    sections.push(el("section", {}, el("h2", {}, "Rewards, training against validation"), table("Rewards", [
      { head: "Step", right: true, cell: (g) => count(g.step) },
      { head: "Training", right: true, cell: (g) => number(g.train_reward) },
      { head: "Validation", right: true, cell: (g) => number(g.valid_reward) },
      { head: "Gap", right: true, cell: (g) => number(g.gap) },
      ...BESIDE_REWARDS.filter(([name]) => gaps.some((row) => row[name] !== undefined))
        .map(([name, head, words = number]) => ({ head, right: true, cell: (g) => (g[name] === undefined ? "–" : words(g[name])) })),
    ], gaps)));
  }
  if (attempts.length > 1) {
    sections.push(el("section", {}, el("h2", {}, "Attempts"), table("Attempts", [
      { head: "Attempt", right: true, cell: (a) => count(a.attempt) },
      { head: "Steps", right: true, cell: (a) => `${count(a.first_step)} to ${count(a.last_step)}` },
      { head: "Steps lost", right: true, cell: (a) => (a.steps_lost ? counted(a.steps_lost, "step") : "–") },
      { head: "Began", right: true, cell: (a) => time(a.started_at, true) },
    ], attempts)));
  }
  return sections;
}

const PROBLEMS = {
  missing_steps: "steps missing from the dump", unknown_level: "unknown level", unknown_type: "unknown type",
  non_finite: "NaN or infinite", misfit: "value of the wrong kind", clock_back: "clock ran back",
  mixed_jobs: "events of several jobs",
};

function qualitySection(job) {
  const rows = job.details.data_quality;
  return el("section", {}, el("h2", {}, "Data quality"), rows.length
    ? table("Data quality", [
      { head: "Problem", cell: (q) => PROBLEMS[q.problem] ?? q.problem },
      { head: "Of", cell: (q) => said(q.subject || "empty") },
      { head: "Times", right: true, cell: (q) => count(q.occurrences) },
      { head: "For example", cell: (q) => said(q.example) },
    ], rows)
    : el("p", { class: "fine" }, sign("succeeded"), " Nothing odd or missing in its events."));
}

function messageSection(job) {
  const { rows, of, grave: told } = job.details.messages;
  const grave = rows.filter((row) => row.severity);
  const left = of - rows.length;
  return el("section", {}, el("h2", {}, "Errors and warnings"),
    grave.length < told ? el("p", { class: "muted" }, `${count(grave.length)} of ${count(told)}: the first and the last. tunelog timeline shows all.`) : null,
    grave.length
      ? el("ol", { class: "log" }, grave.map((row) => messageItem(row)))
      : el("p", { class: "fine" }, sign("succeeded"), " None was logged."),
    of ? el("details", {}, el("summary", {}, `${of > 1 ? "All " : ""}${counted(of, "message")} beside the steps`),
      left > 0 ? el("p", { class: "muted" }, leftOut(left)) : null,
      el("ol", { class: "log" }, rows.map((row) => messageItem(row)))) : null);
}
