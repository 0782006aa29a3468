// Events and certificates.

import { course } from "./charts.js";
import { el, moment, table, words } from "./dom.js";
import { get, listen, store } from "./store.js";

const OPERATIONS = ["destroy", "destroy_wait", "abort", "quarantine", "shutdown"];
// A value in words: what is empty is left out.
function brief(value) {
  if (Array.isArray(value)) return value.map(brief).join("; ");
  if (value === null || typeof value !== "object") return `${value}`;
  const full = Object.entries(value).filter(([, it]) => it !== null && it !== "" && !(Array.isArray(it) && it.length === 0));
  return full.map(([name, it]) => `${words(name)} ${brief(it)}`).join(", ");
}

const failed = (place) => (error) => place.replaceChildren(el("p", { role: "alert" }, error.message));

export function events(main) {
  const list = el("ul", { class: "plain panel", "aria-label": "Events, the newest first" });
  const kinds = new Set(["sequence", "at", "session", "name", "kind"]);
  const line = (it) => {
    const rest = Object.entries(it).filter(([name]) => !kinds.has(name)).filter(([, value]) => value !== null).map(([name, value]) => `${words(name)} ${brief(value)}`);
    const of = it.session ? [el("a", { href: `#/session/${it.session}` }, it.name ?? it.session), " "] : [];
    return el("li", {}, `${moment(it.at)} `, ...of, el("strong", {}, words(it.kind)), ` ${rest.join(", ")}`);
  };
  // The wall's own looks come and go with its viewers.
  const isOwn = (it) => it.kind.startsWith("client_") && it.command === "onair-wall";
  const all = () => list.replaceChildren(...store.events.filter((it) => !isOwn(it)).toReversed().map(line));
  main.append(el("h2", {}, "Events"), el("p", { class: "quiet" }, "As they come; the command is ", el("code", {}, "onairctl events")), list);
  all();
  return listen((kind, what) => {
    if (kind === "event" && !isOwn(what)) { list.prepend(line(what)); if (list.children.length > 500) list.lastChild.remove(); }
    else if (kind === "all") all();
  });
}

export function certificates(main, id) {
  const place = el("div");
  main.append(el("h2", {}, "Certificates"));
  if (id) {
    main.append(el("p", {}, el("a", { href: "#/certificates" }, "← All")), place);
    get(`/api/certificates/${encodeURIComponent(id)}`).then((it) => place.replaceChildren(...one(it)), failed(place));
    return;
  }
  const field = el("input", { type: "search", autocomplete: "off" });
  const ended = el("select", {}, el("option", { value: "" }, "any"), OPERATIONS.map((it) => el("option", { value: it }, words(it))));
  const since = el("input", { type: "date" });
  const search = (event) => {
    event?.preventDefault();
    const wish = new URLSearchParams({ session: field.value });
    if (ended.value) wish.set("operation", ended.value);
    if (since.value) wish.set("since", new Date(`${since.value}T00:00`).toISOString());
    get(`/api/certificates?${wish}`).then(({ certificates: all }) => {
      const rows = all.map((it) => [el("a", { href: `#/certificates/${it.session}` }, it.name), words(it.operation), moment(it.issued_at), it.session]);
      const none = wish.size > 1 || field.value ? "None fits." : "None: a session that is destroyed leaves one.";
      place.replaceChildren(rows.length > 0 ? table("Certificates", ["session", "ended by", "at", "id"], rows) : el("p", { class: "quiet", role: "status" }, none));
    }, failed(place));
  };
  main.append(el("form", { role: "search", onsubmit: search }, el("label", {}, "Session's name or id ", field), el("label", {}, "Ended by ", ended), el("label", {}, "Since ", since), el("button", {}, "Search")), place);
  search();
}

function one(it) {
  const counts = Object.entries(it.counts).filter(([, value]) => typeof value === "number");
  return [
    el("h3", {}, `${it.name}: ${words(it.operation)} at ${moment(it.issued_at)}`),
    el("section", { class: "panel", "aria-label": "Course" }, course(it.steps)),
    el("section", { class: "panel", "aria-label": "Counts" }, table("Counts", ["what", "number"], counts.map(([name, value]) => [words(name), value]))),
    el("p", { class: "quiet" }, "To check it: ", el("code", {}, `onairctl certificate verify ${it.session}`)),
  ];
}
