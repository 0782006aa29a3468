// Makes elements. Text is always text: nothing that the daemon or a client says becomes markup.

export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((it) => it !== null && it !== undefined && it !== false));
  return element;
}

// Changes a text only if it is another one: a screen reader reads what changes.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function table(caption, heads, rows) {
  const cell = (it, tag) => typeof it === "number"
    ? el(tag, { class: "number" }, it.toLocaleString("en"))
    : el(tag, {}, it ?? "");
  const body = rows.map((row) => el("tr", {}, row.map((it, at) => (at === 0 ? el("th", { scope: "row" }, it) : cell(it, "td")))));
  return el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption }, el("table", {},
    el("caption", { class: "spoken" }, caption),
    el("thead", {}, el("tr", {}, heads.map((it) => el("th", { scope: "col" }, it)))),
    el("tbody", {}, body)));
}

export const time = (text) => (text ? new Date(text).toLocaleTimeString("en-GB") : "");
// To the millisecond; of milliseconds since 1970.
export const exact = (ms) => new Date(ms).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
export const moment = (text) => (text ? new Date(text).toLocaleString("en-GB") : "");
export const words = (text) => (text ?? "").replaceAll("_", " ");

export function ago(text, now = Date.now()) {
  const s = Math.max(0, Math.round((now - new Date(text)) / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d`;
}
