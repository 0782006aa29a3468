// Who the viewer is, and what it may do. Each button says the command that does the same.

import { el, say } from "./dom.js";
import { get } from "./store.js";

let me = { can_log_in: false, role: "watch", name: null, token: null };
const listeners = new Set();
const RANK = { watch: 0, operate: 1, admin: 2 };

export const may = (role) => RANK[me.role] >= RANK[role];
export function whenUser(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

async function post(path, body) {
  const headers = { "content-type": "application/json" };
  if (me.token) headers["x-onair-token"] = me.token;
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.error ?? `HTTP ${answer.status}`);
  return said;
}

export function user(place) {
  const set = (now) => { me = now; draw(); listeners.forEach((it) => it()); };
  function draw() {
    if (me.name) {
      place.replaceChildren(`${me.name} (${me.role}) `, el("button", { onclick: () => post("/api/logout", {}).then(set) }, "Log out"));
    } else if (me.can_log_in) {
      place.replaceChildren(el("button", { onclick: form }, "Log in"));
    } else {
      place.replaceChildren(el("span", { class: "quiet" }, "read-only"));
    }
  }
  function form() {
    const said = el("span", { role: "alert" });
    const token = el("input", { type: "password", autocomplete: "current-password", required: true });
    const cancel = el("button", { type: "button", onclick: draw }, "Cancel");
    const send = (event) => {
      event.preventDefault();
      post("/api/login", { token: token.value }).then(set, (error) => say(said, error.message));
    };
    place.replaceChildren(el("form", { onsubmit: send }, el("label", {}, "Token ", token), el("button", {}, "Log in"), cancel, said));
    token.focus();
  }
  get("/api/me").then(set, () => {});
  draw();
}

// The buttons of a session. `said` gets what came of it.
export function buttons(view, attachments, place, said) {
  const name = view.name;
  const running = view.state === "running";
  const all = [
    running
      ? { role: "operate", label: "Stop", command: `onairctl session stop ${name}`, body: { do: "stop", session: view.id } }
      : { role: "operate", label: "Start", command: `onairctl session start ${name}`, body: { do: "start", session: view.id } },
    { role: "operate", label: "Record 10 s", command: `onairctl record start ${name} --format pcapng --duration 10s`, body: { do: "record", session: view.id, duration_ms: 10_000 } },
    { role: "operate", label: "Retarget…", command: `onairctl session retarget ${name} --destination ADDRESS:PORT`, ask: "New destination, such as 239.1.1.1:5004", body: (destination) => ({ do: "retarget", session: view.id, destination }) },
    { role: "admin", label: "Destroy…", danger: true, not: running && "after a stop: ", command: `onairctl session destroy ${name} --wait 5s`, confirm: `Type ${name} to destroy it once its users have left (5 s)`, equals: name, body: () => ({ do: "destroy", session: view.id, deadline_ms: 5000 }) },
  ];
  const rows = all.filter((it) => may(it.role)).map((it) => row(it, said));
  const command = (it) => el("li", {}, `${it.label.replace("…", "")}: `, el("code", {}, it.command));
  place.replaceChildren(...rows);
  if (rows.length === 0) {
    place.append(el("details", {}, el("summary", {}, "Commands that change this session"), el("ul", { class: "plain" }, all.map(command))));
  }
}

export function evict(view, it, said) {
  const command = `onairctl session evict ${view.name} --pid ${it.pid}`;
  if (!may("admin")) return el("code", {}, command);
  return row({ label: `Evict ${it.command}`, danger: true, command, confirm: `Type ${it.pid} to take all frames from this process`, equals: `${it.pid}`, body: () => ({ do: "evict", session: view.id, attachment: it.attachment }) }, said);
}

// What ends a recording; nothing for those who may not.
export function stopRecording(it, said) {
  return may("operate") ? row({ label: "Stop", command: `onairctl record stop ${it.name}`, body: { do: "stop_recording", recording: it.id } }, said) : null;
}

function row(it, said) {
  const place = el("span", { class: "buttons" });
  const button = el("button", { class: it.danger ? "danger" : null, disabled: Boolean(it.not), onclick: () => (typeof it.body === "function" ? form() : run(it.body)) }, it.label);
  const first = () => place.replaceChildren(button, el("code", {}, it.not || "", it.command));
  async function run(body) {
    first();
    button.disabled = true;
    say(said, `${it.label.replace("…", "")}: asked`);
    await post("/api/do", body).then(() => say(said, `${it.label.replace("…", "")}: done`), (error) => say(said, error.message));
    button.disabled = false;
  }
  // What cannot be undone is typed, not only clicked.
  function form() {
    const field = el("input", { required: true, autocomplete: "off" });
    const send = (event) => {
      event.preventDefault();
      if (it.equals && field.value !== it.equals) say(said, `That is not ${it.equals}: nothing was done`);
      else run(it.body(field.value));
    };
    place.replaceChildren(el("form", { onsubmit: send }, el("label", {}, `${it.ask ?? it.confirm} `, field), el("button", { class: it.danger ? "danger" : null }, it.label.replace("…", "")), el("button", { type: "button", onclick: first }, "Cancel")));
    field.focus();
  }
  first();
  return place;
}
