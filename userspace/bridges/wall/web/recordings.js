// Recordings: what of their time is in the files, what is missing, and what they show.

import { may, stopRecording, whenUser } from "./actions.js";
import { wide } from "./charts.js";
import { el, exact, moment, svg, words } from "./dom.js";
import { Player } from "./play.js";
import { get, listen, store } from "./store.js";

// The newest; the command has all.
const MOST = 100;
// Requests for lists of gaps.
const LISTS = 30;
const OVER = ["finished", "failed", "repaired"];

const many = (number, one) => `${number.toLocaleString("en")} ${one}${number === 1 ? "" : "s"}`;

function long(ms) {
  const s = Math.round(ms / 100) / 10;
  return s < 60 ? `${s} s` : `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
}

// What is missing, in time: gaps, and what a restart of the daemon left out.
function holes(it, from, to) {
  const why = { ring_full: "the disk was too slow", disk_full: "the disk was full", disk_fault: "the disk failed" };
  const time = (text, other) => (text ? new Date(text).getTime() : other);
  const gaps = (it.gap_list ?? []).map((gap) => {
    const causes = Object.keys(why).filter((name) => gap[name] > 0);
    const packets = causes.reduce((sum, name) => sum + gap[name], 0);
    return { from: time(gap.after, from), to: time(gap.before, to), what: `${many(packets, "packet")} missing: ${causes.map((name) => why[name]).join(", ")}` };
  });
  // A gap is known by its end: one that lasts is drawn where now is.
  const known = (it.gap_list ?? []).reduce((sum, gap) => sum + gap.ring_full + gap.disk_full + gap.disk_fault, 0);
  const open = it.counts.missing - known;
  if (!it.ended_at && it.gaps === gaps.length && open > 0) gaps.push({ from: to, to, what: `${many(open, "packet")} missing before now: ${it.reason ?? "the recorder is behind"}` });
  const restarts = (it.restarts ?? []).map((one) => ({ from: time(one.after, from), to: time(one.before, to), what: `the daemon was away (${words(one.cause)})${one.missed === undefined ? "" : `: ${many(one.missed, "packet")} missing`}` }));
  return [...gaps, ...restarts].sort((a, b) => a.from - b.from);
}

const say = (hole) => hole.from === hole.to ? hole.what : `${exact(hole.from)} to ${exact(hole.to)} (${long(hole.to - hole.from)}): ${hole.what}`;

function bar(it, from, to, missing) {
  const [width, height] = [wide(), 46];
  const all = Math.max(1, to - from);
  const x = (ms) => (width * Math.max(0, Math.min(all, ms - from))) / all;
  const boxes = missing.map((hole) => svg("rect", { class: "span-fault", x: Math.min(x(hole.from), width - 6), y: 4, width: Math.max(6, x(hole.to) - x(hole.from)), height: 22 }, svg("title", {}, say(hole))));
  const marks = [0, 0.25, 0.5, 0.75, 1].map((part) => svg("text", { x: width * part, y: 42, "text-anchor": part === 0 ? "start" : part === 1 ? "end" : "middle" }, new Date(from + part * all).toLocaleTimeString("en-GB")));
  const name = missing.length === 0 && it.gaps === 0 ? `Complete from ${exact(from)} to ${exact(to)}` : `${many(Math.max(it.gaps, missing.length), "gap")} from ${exact(from)} to ${exact(to)}, listed below`;
  return svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": name }, svg("rect", { class: "span-good", x: 0, y: 4, width, height: 22 }, svg("title", {}, "In the files")), boxes, marks);
}

class Recording {
  constructor(it) {
    this.id = it.id;
    this.body = el("div");
    this.said = el("p", { class: "said", role: "status" });
    this.player = el("div");
    this.element = el("section", { class: "panel", "aria-label": it.name, "data-recording": it.name }, this.body, this.said, this.player);
  }

  show(it) {
    const key = JSON.stringify([it, may("operate")]);
    if (this.key === key) return;
    const from = new Date(it.started_at).getTime();
    const to = it.ended_at ? new Date(it.ended_at).getTime() : Date.now();
    const missing = holes(it, from, to);
    const counts = it.counts;
    const open = this.body.querySelector("details")?.open;
    const what = el("p", {}, `${moment(it.started_at)} to ${it.ended_at ? moment(it.ended_at) : "now"} (${long(to - from)}): ${many(counts.written, "packet")} in the files, ${counts.missing === 0 ? "none missing" : `${counts.missing.toLocaleString("en")} missing`}.`);
    const told = [it.reason, ...(it.problems ?? [])].filter(Boolean).map((text) => el("p", {}, text));
    const more = it.gaps - (it.gap_list ?? []).length;
    const list = missing.length > 0 && el("details", { open }, el("summary", {}, `What is missing (${many(missing.length, "time")})`), el("ul", { class: "plain" }, missing.map((hole) => el("li", {}, say(hole))), more > 0 && el("li", {}, `${more.toLocaleString("en")} more: the manifest lists them`)));
    this.key = key;
    this.body.replaceChildren(el("h3", {}, `${it.name}: ${it.session_name}, ${words(it.state)}`), bar(it, from, to, missing), what, ...told, ...[list].filter(Boolean), this.actions(it, to - from));
  }

  actions(it, length) {
    if (!OVER.includes(it.state)) return stopRecording(it, this.said) ?? el("p", { class: "quiet" }, "To end it: ", el("code", {}, `onairctl record stop ${it.name}`));
    const manifest = `${it.folder}/${it.name}.json`;
    // Of a session that is gone it is not known.
    const essence = store.tiles.get(it.session)?.essence;
    const has = (kind) => essence === undefined || essence === kind;
    const play = (what, label, command) => el("p", { class: "buttons" }, el("button", { onclick: () => this.play(it, what, length) }, label), el("code", {}, command));
    return el("div", {},
      has("video") && play("pictures", "Pictures", `onairctl export ${manifest} --format mjpeg`),
      has("audio") && play("sound", "Sound", `onairctl export ${manifest} --format wav`));
  }

  play(it, what, length) {
    this.end();
    this.playing = new Player(it, what, length);
    this.player.replaceChildren(this.playing.element);
  }

  end() {
    this.playing?.end();
  }
}

export function recordings(main) {
  const all = new Map();
  const place = el("div");
  const note = el("p", { class: "quiet", role: "status" });
  main.append(el("h2", {}, "Recordings"), note, place);
  let over = false;

  async function show() {
    const { recordings: found } = await get("/api/recordings");
    const newest = found.toReversed().slice(0, MOST);
    note.textContent = found.length === 0 ? "None. A session's page starts one." : found.length > MOST ? `The newest ${MOST} of ${found.length}: onairctl record list has all.` : "";
    const holed = newest.filter((it) => it.gaps > 0).slice(0, LISTS);
    await Promise.all(holed.map(async (it) => { it.gap_list = (await get(`/api/recordings/${it.id}`).catch(() => ({}))).gap_list; }));
    if (over) return;
    for (const it of newest) {
      if (!all.has(it.id)) all.set(it.id, new Recording(it));
      all.get(it.id).show(it);
    }
    newest.forEach((it, at) => {
      const { element } = all.get(it.id);
      if (place.children[at] !== element) place.insertBefore(element, place.children[at] ?? null);
    });
  }

  const again = () => show().catch((error) => { note.textContent = error.message; });
  again();
  // One that runs grows.
  const clock = setInterval(() => { if (!document.hidden && store.daemon?.answers) again(); }, 2000);
  const stops = [whenUser(again), listen((kind, what) => { if (kind === "event" && what.kind.startsWith("recording")) again(); })];
  return () => { over = true; clearInterval(clock); stops.forEach((it) => it()); all.forEach((it) => it.end()); };
}
