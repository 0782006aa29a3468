// The page: its head, its alarms, and which view is shown. The address after # names the view.

import { user } from "./actions.js";
import { ago, el, say } from "./dom.js";
import { certificates, events } from "./kept.js";
import { recordings } from "./recordings.js";
import { session } from "./session.js";
import { connect, lamp, listen, rank, store } from "./store.js";
import { wall } from "./tiles.js";

const main = document.getElementById("main");
const VIEWS = { "": wall, session, events, certificates, recordings };
let leave = () => {};

function show() {
  const [, view = "", what] = location.hash.split("/");
  leave();
  main.replaceChildren();
  leave = (VIEWS[view] ?? wall)(main, what && decodeURIComponent(what)) ?? (() => {});
  document.querySelectorAll("nav a").forEach((it) => {
    const is = it.hash === `#/${view === "session" ? "" : view}`;
    if (is) it.setAttribute("aria-current", "page");
    else it.removeAttribute("aria-current");
  });
  document.title = view ? `${view} · OnAir wall` : "OnAir wall";
}

addEventListener("hashchange", () => {
  // The link over the head leads into the page, not to another one.
  if (location.hash === "#main") { history.replaceState(null, "", "#/"); main.focus(); return; }
  show();
  main.focus({ preventScroll: true });
});

let awaySince = null;
let before = new Map();

function head() {
  const { daemon, connected } = store;
  const away = !connected || !daemon || !daemon.answers;
  awaySince = away ? awaySince ?? Date.now() : null;
  const alarm = document.getElementById("alarm");
  alarm.hidden = !away || Date.now() - awaySince < 500;
  if (!connected) say(alarm, `The wall does not answer for ${ago(awaySince)}: what you see is what it said last.`);
  else if (away) say(alarm, `The daemon does not answer for ${ago(awaySince)}: what you see is what it said last. Start onaird.`);
  if (!daemon) return;
  // Those of sessions are on their tiles.
  const problems = daemon.problems.filter((it) => !it.startsWith("session "));
  const ports = daemon.ports.filter((it) => !it.link_up).map((it) => `${it.name} link down`);
  const parts = [`onaird ${daemon.version}`, `clock ${daemon.clock.state.replaceAll("_", " ")}`, ...ports, ...problems.slice(0, 1), problems.length > 1 && `${problems.length - 1} more: onairctl health`];
  say(document.getElementById("daemon"), parts.filter(Boolean).join(" · "));
}

// Says aloud what gets worse.
function speak() {
  const worse = [...store.tiles.values()].filter((it) => rank(it.severity) < Math.min(2, before.get(it.id) ?? 5) && before.has(it.id));
  if (worse.length > 0) say(document.getElementById("spoken"), worse.slice(0, 3).map((it) => `${it.name}: ${lamp(it)}`).join(", "));
  before = new Map([...store.tiles.values()].map((it) => [it.id, rank(it.severity)]));
}

listen(() => { head(); speak(); });
setInterval(head, 1000);
user(document.getElementById("user"));
connect();
show();
document.body.append(el("div", { hidden: true, id: "loaded" }));
