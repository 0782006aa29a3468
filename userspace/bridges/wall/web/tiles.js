// The wall: a tile a session and group, the worst first.

import { ago, el, say, words } from "./dom.js";
import { look, Screen } from "./looks.js";
import { lamp, listen, rank, store, unseen } from "./store.js";

const PATIENCE = 10_000;
const filters = { text: "", port: "", group: "", state: "" };

// An order by severity: what gets worse moves at once, what gets better keeps its place for a while.
class Order {
  now = undefined;
  better = 0;

  grade(severity) {
    const now = rank(severity);
    if (this.now === undefined || now <= this.now) this.now = now;
    else if (this.severity !== severity) this.better = Date.now() + PATIENCE;
    if (this.better && Date.now() > this.better) [this.now, this.better] = [now, 0];
    this.severity = severity;
  }
}

class Tile {
  constructor(tile) {
    this.canvas = el("canvas", { role: "img", "aria-label": "No picture yet", width: 320, height: 180 });
    this.text = el("p", {}, tile.has_look ? "No picture yet" : "");
    this.parts = Object.fromEntries(["sentence", "figures"].map((it) => [it, el("p", { class: it })]));
    this.parts.lamp = el("span", { class: "lamp" });
    this.parts.place = el("span", { class: "place" });
    this.link = el("a", { href: `#/session/${tile.id}` }, tile.name);
    const screen = el("div", { class: "screen" }, this.canvas, this.text);
    this.element = el("li", { "data-id": tile.id, "data-name": tile.name }, el("div", { class: "top" }, this.parts.lamp, el("h2", {}, this.link), this.parts.place), screen, this.parts.sentence, this.parts.figures);
    this.screen = new Screen(this.canvas, this.text);
    this.order = new Order();
    this.name = tile.name;
    if (tile.has_look) {
      const width = Math.min(480, Math.round(280 * window.devicePixelRatio));
      this.end = look(tile.id, this.element, { width, every: 500 }, (head, picture) => this.screen.show(head, picture));
    } else {
      this.canvas.hidden = true;
    }
    this.update(tile);
  }

  update(tile) {
    this.order.grade(tile.severity);
    this.tile = tile;
    this.element.className = `tile ${tile.severity}`;
    say(this.parts.lamp, lamp(tile));
    say(this.parts.place, tile.group ? `${tile.group} · ${tile.port}` : tile.port);
    say(this.parts.sentence, sentence(tile));
    say(this.parts.figures, figures(tile));
    if (!tile.has_look) this.data(tile);
  }

  data(tile) {
    this.text.className = tile.timecode ? "timecode" : "";
    say(this.text, unseen(tile));
  }

  settle() {
    this.update(this.tile);
  }

  // What the filters ask for.
  get tiles() {
    return [this.tile];
  }
}

// A group: as well as its worst member.
class GroupTile {
  constructor(name, tiles) {
    this.name = name;
    this.parts = { lamp: el("span", { class: "lamp" }), sentence: el("p", { class: "sentence" }), figures: el("p", { class: "figures" }) };
    this.members = el("ul", { class: "members", "aria-label": `Sessions of ${name}` });
    this.element = el("li", { "data-group": name }, el("div", { class: "top" }, this.parts.lamp, el("h2", {}, name), el("span", { class: "place" }, "group")), this.members, this.parts.sentence, this.parts.figures);
    this.order = new Order();
    this.links = new Map();
    this.update(tiles);
  }

  update(tiles) {
    this.tiles = [...tiles].sort((a, b) => rank(a.severity) - rank(b.severity) || a.name.localeCompare(b.name));
    const worst = this.tiles[0];
    this.order.grade(worst.severity);
    this.element.className = `tile ${worst.severity}`;
    say(this.parts.lamp, lamp(worst));
    say(this.parts.sentence, worst.severity === "good" ? "" : `${worst.name}: ${sentence(worst)}`);
    const skew = Math.max(...this.tiles.map((it) => Math.abs(it.group_skew_ms ?? 0)));
    say(this.parts.figures, [`${this.tiles.length} sessions`, skew && `skew ${skew} ms`].filter(Boolean).join(" · "));
    for (const [id, it] of this.links) if (!this.tiles.some((tile) => tile.id === id)) { it.remove(); this.links.delete(id); }
    this.tiles.forEach((tile, at) => {
      const item = this.links.get(tile.id) ?? el("li", {}, el("span", { class: "lamp" }), " ", el("a", { href: `#/session/${tile.id}` }, tile.name));
      this.links.set(tile.id, item);
      item.firstChild.className = `lamp ${tile.severity}`;
      say(item.firstChild, lamp(tile));
      if (this.members.children[at] !== item) this.members.insertBefore(item, this.members.children[at] ?? null);
    });
  }

  settle() {
    this.update(this.tiles);
  }
}

function sentence(tile) {
  if (tile.blockers.length > 0) return `Held by ${tile.blockers.join("; ")}`;
  if (tile.sentence) return tile.sentence;
  if (tile.severity === "off") return tile.since ? `${words(tile.state)} for ${ago(tile.since)}` : "Never started";
  return tile.format;
}

function figures(tile) {
  const all = [];
  if (tile.rate) all.push(`${tile.rate}/s`);
  if (tile.lost_ppm) all.push(`lost ${tile.lost_ppm} ppm`);
  tile.legs.forEach((it, at) => all.push(`leg ${at + 1} ${it.link_up === false ? "down" : "up"}`));
  if (tile.leg_skew_us !== null) all.push(`legs ${tile.leg_skew_us} µs`);
  if (tile.group_skew_ms) all.push(`skew ${tile.group_skew_ms} ms`);
  if (tile.captions !== null) all.push(tile.captions ? "captions" : "no captions");
  if (tile.attachments > 0) all.push(tile.attachments === 1 ? "1 client" : `${tile.attachments} clients`);
  return all.join(" · ");
}

export function wall(main) {
  const [tiles, groups] = [new Map(), new Map()];
  const list = el("ul", { class: "tiles", "aria-label": "Sessions, the worst first" });
  const count = el("p", { class: "quiet", role: "status" });
  const empty = el("p", { class: "quiet", hidden: true });
  const bar = filterBar(() => order());
  main.append(el("h2", { class: "spoken" }, "Wall"), bar.element, count, empty, list);

  const fits = ({ name, tiles: of }) => ([name, ...of.map((it) => it.name)].some((it) => it.toLowerCase().includes(filters.text))
    && (!filters.port || of.some((it) => it.port === filters.port)) && (!filters.group || of[0].group === filters.group)
    && (!filters.state || of[0].severity === filters.state));

  function order() {
    const sorted = [...tiles.values(), ...groups.values()].sort((a, b) => a.order.now - b.order.now || a.name.localeCompare(b.name));
    const focus = document.activeElement;
    sorted.forEach((it, at) => {
      if (list.children[at] !== it.element) list.insertBefore(it.element, list.children[at] ?? null);
      it.element.hidden = !fits(it);
    });
    // A tile that moves keeps the keyboard.
    if (focus && focus !== document.activeElement && list.contains(focus)) focus.focus({ preventScroll: true });
    const visible = [...tiles.values()].filter(fits).length;
    say(count, visible === tiles.size ? "" : `${visible} of ${tiles.size} sessions`);
    empty.hidden = tiles.size > 0;
    say(empty, "No session. `onairctl session create` makes one.");
  }

  function set(tile) {
    const known = tiles.get(tile.id);
    if (known) known.update(tile);
    else tiles.set(tile.id, new Tile(tile));
  }

  function drop(id) {
    tiles.get(id)?.end?.();
    tiles.get(id)?.element.remove();
    tiles.delete(id);
  }

  // The tiles of groups are made of those of their sessions.
  function regroup() {
    const now = Map.groupBy([...tiles.values()].map((it) => it.tile).filter((it) => it.group), (it) => it.group);
    for (const [name, it] of groups) if (!now.has(name)) { it.element.remove(); groups.delete(name); }
    for (const [name, of] of now) {
      if (groups.has(name)) groups.get(name).update(of);
      else groups.set(name, new GroupTile(name, of));
    }
    bar.offer([...store.tiles.values()]);
    order();
  }

  function all() {
    for (const id of [...tiles.keys()]) if (!store.tiles.has(id)) drop(id);
    for (const tile of store.tiles.values()) set(tile);
    regroup();
  }

  const stop = listen((kind, what) => {
    if (kind === "tile") { set(what); regroup(); }
    else if (kind === "gone") { drop(what); regroup(); }
    else if (kind === "all") all();
    list.classList.toggle("stale", !store.connected || store.daemon?.answers === false);
  });
  const clock = setInterval(() => { [...tiles.values(), ...groups.values()].forEach((it) => it.settle()); order(); }, 2000);
  all();
  return () => { stop(); clearInterval(clock); tiles.forEach((it) => it.end?.()); };
}

function filterBar(changed) {
  const select = (name, label, options) => {
    const field = el("select", { onchange: () => { filters[name] = field.value; changed(); } });
    const offer = (values) => {
      const now = ["", ...values];
      if (field.options.length === now.length && now.every((it, at) => it === field.options[at].value)) return;
      field.replaceChildren(...now.map((it) => el("option", { value: it }, it ? words(it) : "all")));
      field.value = filters[name];
      if (field.value !== filters[name]) field.value = filters[name] = "";
    };
    offer(options);
    return { offer, element: el("label", {}, `${label} `, field) };
  };
  const text = el("input", { type: "search", value: filters.text, oninput: () => { filters.text = text.value.toLowerCase(); changed(); } });
  const [port, group] = [select("port", "Port", []), select("group", "Group", [])];
  const state = select("state", "State", ["hung", "fault", "warning", "off", "good"]);
  const element = el("div", { class: "filters", role: "search", "aria-label": "Filter the sessions" }, el("label", {}, "Name ", text), port.element, group.element, state.element);
  const values = (tiles, of) => [...new Set(tiles.map(of).filter(Boolean))].sort();
  return { element, offer: (tiles) => { port.offer(values(tiles, (it) => it.port)); group.offer(values(tiles, (it) => it.group)); } };
}
