// Pictures of figures, as SVG. Each has its figures in its name, for who cannot see it.

import { svg, time, words } from "./dom.js";

// Width of a picture of times: as wide as the screen has room for, so that its text can be read.
export const wide = () => Math.max(300, Math.min(900, document.documentElement.clientWidth - 50));

// Bars on a logarithmic scale: one packet of a million is what is looked for.
export function histogram(title, bars, { unit = "", limit, limitName } = {}) {
  if (bars.length === 0) return null;
  const [width, height, floor] = [420, 130, 104];
  const most = Math.max(...bars.map((it) => it.count));
  const step = (width - 8) / bars.length;
  const total = bars.reduce((sum, it) => sum + it.count, 0);
  const high = (count) => (count === 0 ? 0 : 4 + 84 * (Math.log10(count + 1) / Math.log10(most + 1)));
  const isOver = (it) => limit !== undefined && it.at > limit;
  const over = bars.filter(isOver).reduce((sum, it) => sum + it.count, 0);
  const name = `${title}: ${total.toLocaleString("en")} packets from ${bars[0].at} to ${bars.at(-1).at}${unit}`
    + (limit === undefined ? "" : `, ${over.toLocaleString("en")} above ${limitName} ${limit}`);
  const every = Math.ceil(bars.length / 8);
  const marks = bars.flatMap((it, at) => (at % every === 0 ? [svg("text", { x: 4 + (at + 0.5) * step, y: floor + 14, "text-anchor": "middle" }, `${it.at}`)] : []));
  const boxes = bars.map((it, at) => svg("rect", { class: isOver(it) ? "bar over" : "bar", x: 4 + at * step, y: floor - high(it.count), width: Math.max(1, step - 1.5), height: high(it.count) }, svg("title", {}, `${it.at}${unit}: ${it.count.toLocaleString("en")} packets`)));
  return svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": name }, svg("line", { x1: 4, x2: width - 4, y1: floor, y2: floor, stroke: "#2b3540" }), boxes, marks, svg("text", { x: 4, y: height - 2 }, `${name}`));
}

const kind = (it) => {
  if (it.state === "draining" || it.state === "quarantined") return "hung";
  if (it.state !== "running") return "off";
  return { ok: "good", impaired: "warning", timestamps: "warning" }[it.signal] ?? (it.signal ? "fault" : "good");
};

// What the signal was in the last hour.
export function timeline(history, now = Date.now()) {
  const [width, height, hour] = [wide(), 46, 3600_000];
  const x = (at) => Math.max(0, Math.min(width, width * (1 - (now - at) / hour)));
  const spans = history.map((it, at) => ({ ...it, from: new Date(it.at), to: history[at + 1] ? new Date(history[at + 1].at) : now }));
  const boxes = spans.filter((it) => x(it.to) > 0).map((it) => svg("rect", { class: `span-${kind(it)}`, x: x(it.from), y: 4, width: Math.max(2, x(it.to) - x(it.from)), height: 22 }, svg("title", {}, `${time(it.at)} ${words(it.signal ?? it.state)}${it.sentence ? `: ${it.sentence}` : ""}`)));
  const marks = [60, 45, 30, 15, 0].map((ago) => svg("text", { x: width * (1 - ago / 60), y: 42, "text-anchor": ago === 60 ? "start" : ago === 0 ? "end" : "middle" }, ago === 0 ? "now" : `-${ago} min`));
  const bad = spans.filter((it) => kind(it) === "fault" || kind(it) === "hung").length;
  return svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Signal of the last hour: ${history.length} states, ${bad} with a fault` }, boxes, marks);
}

// Moments in a row, with the time between them.
export function course(steps) {
  const [width, row] = [wide(), 26];
  const times = steps.map((it) => new Date(it.at).getTime());
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const x = (at) => 8 + Math.max(40, width - 420) * (last === first ? 0 : (at - first) / (last - first));
  const rows = steps.flatMap((it, at) => [
    svg("line", { x1: x(first), x2: x(times[at]), y1: 14 + row * at, y2: 14 + row * at, stroke: "#2b3540" }),
    svg("circle", { class: "mark", cx: x(times[at]), cy: 14 + row * at, r: 4 }),
    svg("text", { x: x(times[at]) + 10, y: 18 + row * at }, `${words(it.step)} · ${time(it.at)} · +${times[at] - first} ms`),
  ]);
  return svg("svg", { class: "chart", viewBox: `0 0 ${width} ${row * steps.length + 8}`, role: "img", "aria-label": `Course: ${steps.map((it) => `${words(it.step)} after ${new Date(it.at) - first} ms`).join(", ")}` }, rows);
}
