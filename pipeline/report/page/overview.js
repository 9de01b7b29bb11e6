// The overview: all jobs, to sort and to filter; the kinds of errors; what was read.

const PAGE = 200; // rows that are put into the page at once
const DOWN_FIRST = ["seconds", "last_step", "problems", "began_at"];
const COLUMNS = [
  { key: "job_id", head: "Job" },
  { key: "spark", head: "Curve", fixed: true },
  { key: "status", head: "Status" },
  { key: "method", head: "Method" },
  { key: "found", head: "Found" },
  { key: "best", head: "Best", right: true },
  { key: "final", head: "Last", right: true },
  { key: "last_step", head: "Steps", right: true },
  { key: "seconds", head: "Took", right: true },
  { key: "problems", head: "Errors", right: true },
  { key: "began_at", head: "Began", right: true },
];
const filters = { text: "", status: "", method: "", only: false };
const order = { key: "began_at", down: true };
let shownRows = PAGE;

function overviewPage() {
  const bodyRows = el("tbody", {});
  const told = el("p", { class: "told", role: "status" });
  const more = el("button", { type: "button", class: "more", onclick: showMore });
  const heads = COLUMNS.map((column) => sortHead(column, () => list(PAGE)));
  const pick = el("select", { id: "sort", onchange: (event) => sortBy(event.target.value) },
    COLUMNS.filter((c) => !c.fixed).map((c) => el("option", { value: c.key }, c.head)));
  const turn = el("button", { type: "button", "aria-label": "Reverse the order", onclick: () => sortBy(order.key) });

  function sortBy(key) {
    order.down = order.key === key ? !order.down : DOWN_FIRST.includes(key);
    order.key = key;
    list(PAGE);
  }

  function list(limit) {
    shownRows = limit;
    const chosen = chosenJobs();
    bodyRows.replaceChildren(...chosen.slice(0, limit).map(jobRow));
    told.textContent = chosen.length === JOBS.job_id.length
      ? counted(chosen.length, "job")
      : `${count(chosen.length)} of ${counted(JOBS.job_id.length, "job")}`;
    more.hidden = chosen.length <= limit;
    more.textContent = `Show ${count(Math.min(PAGE, chosen.length - limit))} more`;
    pick.value = order.key;
    turn.textContent = order.down ? "↓" : "↑";
    heads.forEach((head, i) => {
      const sorted = COLUMNS[i].key === order.key;
      if (!COLUMNS[i].fixed)
        head.setAttribute("aria-sort", !sorted ? "none" : order.down ? "descending" : "ascending");
    });
  }

  function showMore() {
    list(shownRows + PAGE);
    const first = bodyRows.rows[shownRows - PAGE]; // the button may be gone, and the focus with it
    first.tabIndex = -1;
    first.focus();
  }

  function sortHead(column) {
    const label = column.fixed
      ? column.head
      : el("button", { type: "button", onclick: () => sortBy(column.key) }, column.head);
    return el("th", { scope: "col", role: "columnheader", class: `${column.key} ${column.right ? "right" : ""}` }, label);
  }

  const rows = el(
    "table",
    { class: "jobs", role: "table" },
    el("caption", { class: "hidden" }, "All jobs"),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads)),
    filled(bodyRows, { role: "rowgroup" }, []),
  );
  list(shownRows);
  const below = [...failures(), ...problems()];
  return [
    el("header", { class: "top" }, el("h1", { tabindex: -1 }, "Fine-tuning jobs"), el("p", { class: "lead" }, leadText())),
    ...(JOBS.job_id.length
      ? [statusBar(), controls(() => list(PAGE), [pick, turn]), told, ways(below), rows, more, ...below, readFrom()]
      : [emptyLake()]),
  ];
}

function leadText() {
  const { sources } = LAKE;
  const until = LAKE.last_event_at ? `, until ${time(LAKE.last_event_at)} UTC` : "";
  const events = JOBS.events.reduce((sum, n) => sum + n, 0);
  return `${counted(JOBS.job_id.length, "job")}, ${counted(events, "event")} from ${counted(sources.sources, "source")}${until}`;
}

function emptyLake() {
  return el("section", { class: "empty" },
    el("p", {}, "This lake holds no job yet."),
    el("p", {}, "Read some dumps into it with ", el("code", {}, "tunelog ingest dumps/"), " and make the report anew."));
}

/** Ways to what stands below the list, which is far on a phone. */
function ways(sections) {
  const reach = (section) => (event) => {
    event.preventDefault(); // the address tells what is shown
    section.scrollIntoView();
    section.querySelector(".wide").focus({ preventScroll: true });
  };
  return sections.length > 0 && el("nav", { "aria-label": "Below the list" }, sections.map((section) =>
    el("a", { href: "#main", onclick: reach(section) }, section.querySelector("h2").textContent)));
}

/** How the jobs ended, as a bar of shares. */
function statusBar() {
  const counts = new Map();
  for (const status of JOBS.status) counts.set(status, (counts.get(status) ?? 0) + 1);
  const known = [...new Set([...Object.keys(STATUS), ...counts.keys()])].filter((status) => counts.has(status));
  const bar = el("div", { class: "bar", "aria-hidden": "true" }, known.map((status) => {
    const part = el("span", { class: status });
    part.style.flexGrow = counts.get(status);
    return part;
  }));
  const words = known.map((status) =>
    el("li", {}, sign(status), ` ${count(counts.get(status))} ${STATUS[status] ?? status}`));
  return el("div", { class: "states" }, bar, el("ul", {}, words));
}

function controls(changed, sorting) {
  const select = (id, label, key, values, names = {}) => el("label", { for: id }, label, el(
    "select",
    { id, onchange: (event) => { filters[key] = event.target.value; changed(); } },
    el("option", { value: "" }, "any"),
    values.map((value) => el("option", { value, selected: filters[key] === value }, names[value] ?? value)),
  ));
  const distinct = (list) => [...new Set(list)].filter((value) => value !== null).sort();
  const text = el("input", {
    id: "text", type: "search", value: filters.text, autocomplete: "off", spellcheck: "false",
    placeholder: "job, suffix, model, finding",
    oninput: (event) => { filters.text = event.target.value; changed(); },
  });
  return el("form", { class: "controls", onsubmit: (event) => event.preventDefault() },
    el("label", { for: "text", class: "grow" }, "Find", text),
    select("status", "Status", "status", distinct(JOBS.status), STATUS),
    select("method", "Method", "method", distinct(JOBS.method)),
    el("div", { class: "phone" }, el("label", { for: "sort" }, "Sort by", sorting[0]), sorting[1]),
    el("label", { for: "only", class: "check" },
      el("input", {
        id: "only", type: "checkbox", checked: filters.only,
        onchange: (event) => { filters.only = event.target.checked; changed(); },
      }),
      "Only with findings"));
}

/** Numbers of the jobs that pass the filters, in the chosen order. */
function chosenJobs() {
  const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  const passes = (i) =>
    (!filters.status || JOBS.status[i] === filters.status) &&
    (!filters.method || JOBS.method[i] === filters.method) &&
    (!filters.only || JOBS.found[i].length > 0) &&
    words.every((word) => searchText(i).includes(word));
  const key = sortKey(order.key);
  const sign = order.down ? -1 : 1;
  return JOBS.job_id.map((_, i) => i).filter(passes).sort((a, b) => {
    const [left, right] = [key(a), key(b)];
    if (left === right || String(left) === String(right)) return a - b;
    if (left === null || left === undefined) return 1; // what is not known comes last
    if (right === null || right === undefined) return -1;
    if (Array.isArray(left)) return sign * (left[0] - right[0] || left[1] - right[1]);
    return left < right ? -sign : sign;
  });
}

function searchText(i) {
  const found = JOBS.found[i].map(([rule]) => RULES[rule]);
  return [JOBS.job_id[i], JOBS.name[i], JOBS.status[i], JOBS.method[i], JOBS.model_id[i], JOBS.dialect[i], ...found]
    .join(" ").toLowerCase();
}

function sortKey(key) {
  if (key === "problems") return (i) => JOBS.errors[i] * 1e6 + JOBS.warnings[i];
  if (key === "found") return (i) => (isJudged(i) ? -JOBS.found[i].reduce((sum, [, weight, n]) => sum + n * 100 ** weight, 0) : null);
  if (key === "best" || key === "final") return (i) => goodness(i, JOBS[key][i]);
  return (i) => JOBS[key][i];
}

/** Of what measure, as values of one stand together, and how good: less is better. */
function goodness(i, value) {
  if (!Number.isFinite(value)) return null;
  const measure = JOBS.measure[i];
  return [Object.keys(MEASURES).indexOf(measure), measure.endsWith("reward") ? -value : value];
}

function jobRow(i) {
  const cell = (name, right, ...content) => el("td", { role: "cell", class: `${name} ${right ? "right" : ""}` }, content);
  const measure = MEASURES[JOBS.measure[i]] && `${MEASURES[JOBS.measure[i]]}${JOBS.smoothed[i] ? " (running median)" : ""}`;
  const id = JOBS.job_id[i];
  const name = isJudged(i) ? el("a", { href: `#job=${encodeURIComponent(id)}` }, said(id)) : said(id);
  return el("tr", { role: "row" },
    cell("job_id", false, name, JOBS.name[i] ? el("small", {}, said(JOBS.name[i])) : null),
    cell("spark", false, sparkline(LAKE.sparks[i])),
    cell("status", false, sign(JOBS.status[i]), " ", STATUS[JOBS.status[i]] ?? JOBS.status[i]),
    cell("method", false, JOBS.method[i] ?? "–"),
    cell("found", false, isJudged(i) ? JOBS.found[i].map(foundWord) : el("span", { class: "muted" }, "not judged")),
    cell("best", true, measure ? [number(JOBS.best[i]), el("small", {}, `${measure}, step ${count(JOBS.best_step[i])}`)] : "–"),
    cell("final", true, measure ? number(JOBS.final[i]) : "–"),
    cell("last_step", true, count(JOBS.last_step[i]) || "–", stepsLeft(i)),
    cell("seconds", true, tookWords(i)),
    cell("problems", true, problemWords(i)),
    cell("began_at", true, beganAt(JOBS.began_at[i])));
}

/** Whether a job is looked into, which only the newest are, and has a page. */
function isJudged(i) {
  return i < LAKE.detailed;
}

/** How long a job took; where nothing tells its begin and end, at least as long as its events span. */
function tookWords(i) {
  const words = duration(JOBS.seconds[i]);
  return words && JOBS.is_part[i] ? `≥ ${words}` : words;
}

function beganAt(seconds) {
  const [day, minute] = time(seconds).split(" ");
  return day ? [day, el("small", {}, minute)] : "–";
}

function stepsLeft(i) {
  const total = JOBS.total_steps[i];
  return total && JOBS.last_step[i] < total ? el("small", {}, `of ${count(total)}`) : null;
}

function foundWord([rule, weight, n]) {
  return el("span", { class: `word ${WEIGHTS[weight]}` }, sign(WEIGHTS[weight]), n > 1 ? `${n} × ${RULES[rule]}` : RULES[rule]);
}

function problemWords(i) {
  const words = [];
  if (JOBS.errors[i]) words.push(counted(JOBS.errors[i], "error"));
  if (JOBS.warnings[i]) words.push(counted(JOBS.warnings[i], "warning"));
  return words.length ? words.map((word) => el("div", {}, word)) : el("span", { class: "none" }, "–");
}

/** Why jobs failed: those that failed alike in one row. */
function failures() {
  if (!LAKE.failures.length) return [];
  return [el("section", {}, el("h2", {}, "Why jobs failed"), table("Why jobs failed", [
    { head: "Said", cell: (f) => (f.message ? el("span", { class: "example" }, said(f.message)) : "–") },
    { head: "Code", cell: (f) => (f.error_code ? said(f.error_code) : "–") },
    { head: "While", cell: (f) => f.phase ?? "–" },
    { head: "Jobs", cell: (f) => [el("b", {}, count(f.jobs)), el("span", { class: "links" }, f.job_ids.map(shortLink))] },
  ], LAKE.failures), unlisted(LAKE.more_failures, "reason", "failure_reasons"))];
}

function unlisted(left, noun, view) {
  return left ? el("p", {}, `${counted(left, `more ${noun}`)}: tunelog show ${view}`) : null;
}

function shortLink(id) {
  const short = id.replace(/^ftjob-/, "");
  return el("a", { href: `#job=${encodeURIComponent(id)}`, "aria-label": spelled(id) },
    spelled(short.length > 8 ? `${short.slice(0, 8)}…` : short));
}

/** The kinds of errors and warnings, the gravest and commonest first, and when they came. */
function problems() {
  const { kinds } = LAKE;
  if (!kinds.length) return [];
  const first = Math.min(...kinds.map((kind) => kind.first_seen));
  const last = Math.max(...kinds.map((kind) => kind.last_seen));
  const weight = (kind) => (kind.severity === "error" ? "grave" : "warning");
  return [el("section", {},
    el("h2", {}, "Errors and warnings by kind"),
    table("Errors and warnings by kind", [
      { head: "Kind", cell: (k) => el("span", { class: `word ${weight(k)}` }, sign(weight(k)), k.severity) },
      { head: "For example", cell: (k) => el("span", { class: "example" }, said(k.example)) },
      { head: "Events", right: true, cell: (k) => count(k.events) },
      { head: "Jobs", right: true, cell: (k) => count(k.jobs) },
      { short: "When", head: `When, from ${time(first).slice(0, 10)} to ${time(last).slice(0, 10)}`, cell: (k) => bursts(k, first, last) },
    ], kinds), unlisted(LAKE.more_kinds, "kind", "error_timeline"))];
}

/** When the events of a kind came: a dot for each burst, the larger the more events, and in words. */
function bursts(kind, first, last) {
  const x = (t) => (last > first ? ((t - first) / (last - first)) * 212 + 4 : 110);
  const most = Math.max(...kind.bursts.map(([, , events]) => events));
  return el("span", { class: "stretch" },
    svg("svg", { viewBox: "0 0 220 10", "aria-hidden": "true" },
      svg("path", { class: "axis", d: "M0 5h220" }),
      kind.bursts.map(([from, to, events]) => [
        svg("path", { class: "reach", d: `M${x(from)} 5H${x(to)}` }),
        svg("circle", { cx: x(from), cy: 5, r: 2 + 2 * Math.sqrt(events / most) }),
      ])),
    el("small", {}, kind.first_seen === kind.last_seen
      ? time(kind.first_seen)
      : `${time(kind.first_seen)} to ${time(kind.last_seen)}${kind.burst_count > 1 ? `, in ${counted(kind.burst_count, "burst")}` : ""}`));
}

function readFrom() {
  const s = LAKE.sources;
  return el("footer", {},
    el("p", {}, `Read: ${counted(s.records, "record")} in ${counted(s.sources, "source")}, of which ${counted(s.events, "event")}, ${counted(s.duplicates, "duplicate")} and ${counted(s.rejects, "reject")}. `,
      `Times are UTC. Numbers are shown to four digits; this file holds five or more.`),
    LAKE.detailed < JOBS.job_id.length
      ? el("p", {}, `Only the ${count(LAKE.detailed)} newest jobs are judged and have a page here: tunelog report --job ID does so for another.`)
      : null);
}
