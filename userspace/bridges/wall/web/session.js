// All that is known of one session, live.

import { buttons, evict, whenUser } from "./actions.js";
import { course, histogram, timeline } from "./charts.js";
import { ago, el, moment, say, table, words } from "./dom.js";
import { look, Screen } from "./looks.js";
import { get, lamp, listen, store, unseen } from "./store.js";

const EVERY = 1000;

export function session(main, id) {
  const page = new Page(main, id);
  page.start();
  return () => page.end();
}

class Page {
  constructor(main, id) {
    this.id = id;
    this.main = main;
    this.over = false;
    this.counts = null;
    const section = (title, extra = {}) => {
      const body = el("div");
      const element = el("section", { ...extra, "aria-label": title }, el("h3", {}, title), body);
      return { element, body, show: (...what) => { element.hidden = what.every((it) => !it); body.replaceChildren(...what.filter(Boolean)); } };
    };
    this.title = el("h2", {}, store.tiles.get(id)?.name ?? id);
    this.lamp = el("span", { class: "lamp off" });
    this.sentence = el("p", { class: "said" });
    this.hang = el("section", { class: "wide hang", role: "alert", hidden: true });
    this.canvas = el("canvas", { role: "img", "aria-label": "No picture yet", width: 640, height: 360 });
    this.text = el("p", {}, "No picture yet");
    this.screenBox = el("section", { "aria-label": "Picture" }, el("div", { class: "screen" }, this.canvas, this.text));
    this.said = el("p", { class: "said", role: "status" });
    this.buttons = el("div", { class: "buttons" });
    this.facts = section("Session");
    this.history = section("Signal of the last hour", { class: "wide" });
    this.timing = section("Timing of the packets (ST 2110-21)", { class: "wide" });
    this.legs = section("Legs");
    this.clients = section("Clients", { class: "wide" });
    this.counters = section("Counters");
    this.ended = section("How it ended", { class: "wide" });
    const all = [this.hang, this.screenBox, this.facts, this.legs, this.history, this.ended, this.timing, this.clients, this.counters];
    all.forEach((it) => { if (it.show) it.element.hidden = true; });
    this.hang.hidden = true;
    main.append(el("p", {}, el("a", { href: "#/" }, "← Wall")), this.title, this.lamp, this.sentence, el("section", { "aria-label": "Actions" }, this.buttons, this.said), el("div", { class: "session" }, all.map((it) => it.element ?? it)));
  }

  start() {
    const screen = new Screen(this.canvas, this.text);
    const width = Math.min(960, Math.round(640 * devicePixelRatio));
    this.stops = [
      look(this.id, this.canvas, { width, every: 100 }, (head, picture) => screen.show(head, picture)),
      whenUser(() => { this.drawn = null; }),
      listen((kind, what) => { if (kind === "tile" && what.id === this.id) this.head(what); if (kind === "gone" && what === this.id) this.poll(); }),
    ];
    const tile = store.tiles.get(this.id);
    if (tile) this.head(tile);
    this.poll();
  }

  end() {
    this.over = true;
    clearTimeout(this.timer);
    this.stops.forEach((it) => it());
  }

  async poll() {
    clearTimeout(this.timer);
    try {
      this.draw(await get(`/api/session/${this.id}`));
    } catch (error) {
      if (error.status === 404 || error.status === 410) { await this.gone(); return; }
      say(this.sentence, error.message);
    }
    if (!this.over) this.timer = setTimeout(() => this.poll(), EVERY);
  }

  head(tile) {
    this.lamp.className = `lamp ${tile.severity}`;
    say(this.lamp, lamp(tile));
    say(this.sentence, tile.sentence ?? "");
    if (!tile.has_look) say(this.text, unseen(tile));
  }

  draw({ view, users, history, verdict }) {
    if (this.over) return;
    this.view = view;
    say(this.title, view.name);
    this.hung(view, users, verdict);
    const key = `${view.state} ${view.attachments.map((it) => it.attachment)}`;
    // What a viewer fills in stays.
    if (this.drawn !== key && !this.buttons.querySelector("form")) {
      this.drawn = key;
      buttons(view, view.attachments, this.buttons, this.said);
      this.evictions = new Map(view.attachments.map((it) => [it.attachment, evict(view, it, this.said)]));
    }
    this.facts.show(facts(view));
    this.history.show(history.length > 0 && timeline(history));
    this.legs.show(view.legs && legs(view.legs));
    this.timing.show(...timing(view.timing));
    if (!this.clients.body.contains(document.activeElement) || this.clients.body === document.activeElement) this.clients.show(view.attachments.length > 0 && this.attachments(view));
    this.count(view.counters);
  }

  // A session that does not end is said loudly: who has what since when, and what to do.
  hung(view, users, verdict) {
    const ending = view.state === "draining" || view.state === "quarantined";
    const held = view.state === "stopped" && users.length > 0;
    this.hang.hidden = !(ending || held);
    if (this.hang.hidden) return;
    const what = ending ? `${view.name} cannot end: it waits for ${users.length === 1 ? "a user" : `${users.length} users`}.` : `${view.name} is stopped, and still in use.`;
    const rows = users.map((it) => el("li", {}, it));
    const key = JSON.stringify([what, users]);
    if (this.hangKey === key) return;
    this.hangKey = key;
    this.hang.replaceChildren(el("h3", {}, what), el("ul", { class: "plain" }, rows), el("p", {}, verdict?.advice ?? "Let each of these programs return its frames and leave its call. A program that does not is ended, or evicted: ", el("code", {}, `onairctl session evict ${view.name} --pid PID`)));
  }

  attachments(view) {
    const rows = view.attachments.map((it) => [`${it.command} ${it.pid}`, words(it.state), it.threads_inside, it.held, it.oldest_held_ms === undefined ? "" : `${(it.oldest_held_ms / 1000).toFixed(1)} s`, it.frames_dropped_slow, this.evictions.get(it.attachment)]);
    return table("Clients", ["process", "state", "threads inside", "frames held", "oldest for", "missed", "to remove it"], rows);
  }

  count(counters) {
    const now = performance.now();
    const before = this.counts;
    const rows = Object.entries(counters).filter(([, it]) => typeof it === "number" && it > 0).map(([name, value]) => {
      const rate = before ? Math.round((value - (before.counters[name] ?? 0)) / ((now - before.now) / 1000)) : null;
      return [words(name), value, rate === null ? "" : rate];
    });
    this.counts = { now, counters };
    this.counters.show(rows.length > 0 && table("Counters", ["counter", "since creation", "a second"], rows));
  }

  async gone() {
    this.lamp.className = "lamp off";
    say(this.lamp, "gone");
    this.hang.hidden = true;
    this.buttons.replaceChildren();
    [this.facts, this.legs, this.clients, this.counters, this.timing].forEach((it) => it.show(null));
    this.screenBox.hidden = true;
    try {
      const certificate = await get(`/api/certificates/${this.id}`);
      say(this.title, certificate.name);
      say(this.sentence, `Ended by ${words(certificate.operation)} at ${moment(certificate.issued_at)}.`);
      this.ended.show(course(certificate.steps), el("p", {}, el("a", { href: `#/certificates/${this.id}` }, "Its certificate")));
    } catch {
      say(this.sentence, "This session is gone, and has no certificate yet.");
      if (!this.over) this.timer = setTimeout(() => this.gone(), EVERY);
    }
  }
}

function facts(view) {
  const rows = [
    ["state", words(view.state)], ["direction", view.direction], ["port", view.port], ["poller", view.poller],
    ["destination", view.flow.destination], ["source", view.flow.source], ["group", view.member_of],
    ["format", store.tiles.get(view.id)?.format],
    ["created", `${moment(view.created_at)} (${ago(view.created_at)})`], ["arriving", view.signal?.arriving?.sender && `from ${view.signal.arriving.sender}`],
    ["rate", view.recent && `${(view.recent.frames_per_1000_s / 1000).toFixed(2)} frames/s, ${(view.recent.bits_per_second / 1e6).toFixed(1)} Mbit/s`],
    ["loss", view.recent && `${view.recent.lost_ppm} ppm`], ["clients", `${view.attachments.length} of ${view.max_attachments}`],
    ...view.problems.map((it) => [words(it.problem), it.detail]),
  ];
  return el("dl", {}, rows.filter(([, it]) => it).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, `${value}`)]));
}

function legs(legs) {
  const rows = ["first", "second"].map((it) => [legs[it].port, legs[it].link_up === false ? "down" : "up", legs[it].packets, legs[it].packets_lost, legs[it].packets_late]);
  const skew = legs.skew_ns === undefined ? "" : `The second leg is ${(legs.skew_ns / 1000).toFixed(1)} µs later. `;
  return el("div", {}, table("Legs", ["port", "link", "packets", "lost", "late"], rows), el("p", { class: "quiet" }, `${skew}${legs.packets_recovered.toLocaleString("en")} packets came on one leg only, ${legs.packets_lost.toLocaleString("en")} on neither.`));
}

function timing(timing) {
  if (!timing?.cinst) return [timing ? rows(timing) : null];
  const levels = (it) => it.histogram.map(({ level, packets }) => ({ at: level, count: packets }));
  const spacing = timing.intervals.map((it) => ({ at: +(it.from_ns / 1000).toFixed(1), count: it.packets }));
  const verdict = timing.compliance && `The last second: ${words(timing.compliance.verdict)}. `;
  return [
    el("p", {}, verdict ?? "", timing.vrx_not_measured ? `VRX: ${timing.vrx_not_measured}` : ""),
    el("div", { class: "session" },
      histogram("Cinst", levels(timing.cinst), { limit: timing.cmax_narrow, limitName: "CMAX narrow" }),
      timing.vrx && histogram("VRX", levels(timing.vrx), { limit: timing.vrx_full_narrow, limitName: "VRX full narrow" }),
      histogram("Packet spacing", spacing, { unit: " µs" })),
  ];
}

// What another essence measures, as it is.
function rows(timing) {
  const flat = Object.entries(timing).filter(([, it]) => typeof it !== "object");
  const kinds = timing.kinds ?? [];
  return el("dl", {}, [...flat, ...kinds.map((it) => [it.did_sdid, `${it.name ?? "unknown"}: ${it.packets}`])].flatMap(([name, value]) => [el("dt", {}, words(name)), el("dd", {}, `${value}`)]));
}
