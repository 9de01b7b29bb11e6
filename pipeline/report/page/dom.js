// Elements from text, never from markup; numbers, durations and times as people read them.

const SVG = "http://www.w3.org/2000/svg";

/** An element. Properties that begin with "on" are listeners, others attributes; text is inert. */
function el(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(3).filter((child) => child !== null && child !== undefined));
  return node;
}

// Controls, direction marks, zero-width characters: what shows a text as another is spelled out.
const UNSAFE = new RegExp(
  "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200b\\u200e\\u200f\\u2028-\\u202e" +
    "\\u2060-\\u2069\\ufeff]|\\p{Cs}|[\\u{e0000}-\\u{e007f}]",
  "gu",
);

function spelled(text) {
  return text.replace(UNSAFE, (char) => {
    const point = char.codePointAt(0);
    return point < 256
      ? "\\x" + point.toString(16).padStart(2, "0")
      : "\\u" + point.toString(16).padStart(4, "0");
  });
}

/** Text that came from an event: spelled out, and kept from reordering its surroundings. */
function said(text) {
  return el("bdi", { class: "said" }, spelled(String(text)));
}

/** A number with 4 significant digits, whole digits never lost. */
function number(value) {
  if (value === null || value === undefined) return "";
  const v = Number(value);
  const size = Math.abs(v);
  if (!Number.isFinite(v)) return String(v);
  if (size === 0) return "0";
  if (size < 1e-4 || size >= 1e15) return v.toExponential(3).replace(/\.?0+e/, "e");
  return size >= 999.95 ? Math.round(v).toLocaleString("en") : v.toPrecision(4);
}

function count(value) {
  return value === null || value === undefined ? "" : Number(value).toLocaleString("en");
}

function counted(n, noun) {
  return `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
}

/** Seconds in their two greatest units. */
function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const two = (n) => String(n).padStart(2, "0");
  const whole = Math.round(seconds);
  if (seconds < 10 && seconds !== whole) return `${Number(seconds.toPrecision(2))} s`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)}h ${two(minutes % 60)}m`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)}d ${two(hours % 24)}h`;
}

/** Seconds since 1970 as a time in UTC; to the minute, or whole. */
function time(seconds, whole = false) {
  if (seconds === null || seconds === undefined) return "";
  const text = new Date(seconds * 1000).toISOString().replace("T", " ");
  return whole ? text.slice(0, 19) + "Z" : text.slice(0, 16);
}

const SHAPES = {
  succeeded: "M2.5 8.5l3.5 3.5 7.5-8",
  failed: "M3.5 3.5l9 9m0-9l-9 9",
  cancelled: "M3.5 8h9",
  running: "M5 3.5v9l7.5-4.5z",
  queued: "M8 4v4.5l3 2M8 1.5a6.5 6.5 0 1 0 .1 0",
  paused: "M5.5 3.5v9m5-9v9",
  grave: "M5.2 1.5h5.6l3.7 3.7v5.6l-3.7 3.7H5.2L1.5 10.8V5.2zM8 4.5v4.5m0 2v.6",
  warning: "M8 2l6.5 11.5h-13zM8 6.5v3.5m0 1.5v.5",
  note: "M8 1.8a6.2 6.2 0 1 0 .1 0M8 7.5v4m0-7v.6",
};

/** A small drawn sign; the word beside it says the same. */
function sign(name) {
  const shape = SHAPES[name] ?? SHAPES.note;
  return svg(
    "svg",
    { class: `sign ${name}`, viewBox: "0 0 16 16", "aria-hidden": "true" },
    svg("path", { d: shape }),
  );
}

/** A table; columns are {head, short, cell, right}, cells text or elements. */
function table(caption, columns, rows) {
  const cells = (row) =>
    columns.map((c) => el("td", { role: "cell", class: c.right && "right", "data-head": c.short ?? c.head }, c.cell(row)));
  return el(
    "div",
    { class: "wide", tabindex: 0, role: "region", "aria-label": caption },
    el(
      "table",
      { role: "table" }, // said, because a phone lays it out as no table
      el("caption", { class: "hidden" }, caption),
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, columns.map((c) =>
        el("th", { role: "columnheader", scope: "col", class: c.right && "right" }, c.head)))),
      el("tbody", { role: "rowgroup" }, rows.map((row) => el("tr", { role: "row" }, cells(row)))),
    ),
  );
}
