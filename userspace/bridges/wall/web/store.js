// What the wall was told: one stream of server-sent events, which the browser resumes after a break.

import { words } from "./dom.js";

export const store = { connected: false, daemon: null, tiles: new Map(), events: [] };

const listeners = new Set();
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
const tell = (kind, what) => listeners.forEach((it) => it(kind, what));

const EVENTS = 500;
let source = null;

export function connect() {
  source = new EventSource("/api/stream");
  const on = (kind, take) => source.addEventListener(kind, (message) => {
    const what = JSON.parse(message.data);
    take(what);
    tell(kind, what);
  });
  on("all", (all) => {
    store.daemon = all.daemon;
    store.tiles = new Map(all.tiles.map((it) => [it.id, it]));
    store.events = all.events;
  });
  on("daemon", (it) => { store.daemon = it; });
  on("tile", (it) => { store.tiles.set(it.id, it); });
  on("gone", (id) => { store.tiles.delete(id); });
  on("event", (it) => {
    store.events.push(it);
    if (store.events.length > EVENTS) store.events.shift();
  });
  source.onopen = () => { store.connected = true; tell("link"); };
  source.onerror = () => {
    store.connected = false;
    tell("link");
    // A refusal is final for the browser; the wall may come back.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  };
}

export async function get(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(body.error ?? `HTTP ${answer.status}`), { status: answer.status });
  return body;
}

const SEVERITIES = ["hung", "fault", "warning", "off", "good"];
export const rank = (severity) => SEVERITIES.indexOf(severity);

// What stands where a session's picture would be.
export function unseen(tile) {
  if (tile.timecode) return tile.timecode;
  if (store.daemon?.is_remote) return "Pictures are shown on the daemon's machine only.";
  if (tile.essence === "jpeg_xs") return "JPEG XS: OnAir has no decoder, so there is no picture";
  return `${words(tile.essence)}: no picture`;
}

// The word on a lamp.
export function lamp(tile) {
  if (tile.severity === "hung") return { quarantined: "set aside", stopped: "stopped, in use" }[tile.state] ?? "cannot end";
  if (tile.severity === "off") return tile.blockers.length > 0 ? "stopped, in use" : tile.state;
  if (tile.severity === "good") return "on air";
  return { absent: "no signal", mismatch: "wrong format", other_sender: "other sender", timestamps: "timestamps" }[tile.signal] ?? "impaired";
}
