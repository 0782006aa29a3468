// Pictures and levels. One request at a time brings the looks of all that is on the screen; the next one follows when they
// are drawn. If a transfer takes much of the time between two looks, there are fewer and smaller ones.

const shown = new Map();
let after = 0;
let ease = 1;
let running = false;

// `draw` gets each look of the session while the element is on the screen. Returns what ends it.
export function look(id, element, wish, draw) {
  const entry = { id, wish, draw, visible: false };
  const observer = new IntersectionObserver(([it]) => {
    entry.visible = it.isIntersecting;
    if (it.isIntersecting) run();
  }, { rootMargin: "100px" });
  observer.observe(element);
  shown.set(element, entry);
  return () => { observer.disconnect(); shown.delete(element); };
}

document.addEventListener("visibilitychange", () => run());

async function run() {
  if (running) return;
  running = true;
  try {
    while (!document.hidden) {
      const all = [...shown.values()].filter((it) => it.visible).slice(0, 64);
      if (all.length === 0) break;
      await once(all);
    }
  } finally {
    running = false;
  }
}

async function once(all) {
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const width = Math.round(Math.max(...all.map((it) => it.wish.width)) / ease);
  const every = Math.round(Math.min(...all.map((it) => it.wish.every)) * ease);
  const began = performance.now();
  try {
    const ids = all.map((it) => it.id).join(",");
    const from = all.some((it) => it.fresh === undefined) ? 0 : after;
    all.forEach((it) => { it.fresh = true; });
    const answer = await fetch(`/api/looks?width=${width}&every=${every}&after=${from}&ids=${ids}`);
    if (!answer.ok) throw new Error(answer.status);
    const head = performance.now();
    const bytes = new DataView(await answer.arrayBuffer());
    adapt((performance.now() - head) / every);
    await Promise.all(parse(bytes).map(({ head: it, jpeg }) => draw(it, jpeg)));
    await pause(Math.max(0, every / 2 - (performance.now() - began)));
  } catch {
    after = 0;
    await pause(1000);
  }
}

function adapt(part) {
  if (part > 0.5) ease = Math.min(4, ease * 1.5);
  else if (part < 0.1) ease = Math.max(1, ease / 1.1);
}

function parse(bytes) {
  const looks = [];
  const take = (at) => new Uint8Array(bytes.buffer, at + 4, bytes.getUint32(at));
  for (let at = 0; at < bytes.byteLength;) {
    const head = take(at);
    const jpeg = take(at + 4 + head.length);
    at += 8 + head.length + jpeg.length;
    looks.push({ head: JSON.parse(new TextDecoder().decode(head)), jpeg });
  }
  return looks;
}

async function draw(head, jpeg) {
  after = Math.max(after, head.sequence);
  const picture = head.kind === "picture" ? await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })) : null;
  for (const it of shown.values()) if (it.id === head.id) it.draw(head, picture);
  picture?.close();
}

// Shows a look on a screen: a canvas, and a text where there is nothing to draw.
export class Screen {
  constructor(canvas, text) {
    Object.assign(this, { canvas, text, strip: [] });
  }

  show(head, picture) {
    this.text.hidden = head.kind !== "nothing";
    // What was shown before is behind the words.
    this.canvas.classList.toggle("past", head.kind === "nothing");
    if (head.kind === "nothing") {
      this.text.textContent = head.why;
      delete this.canvas.dataset.number;
      return;
    }
    if (head.kind === "picture") this.picture(head, picture);
    else this.sound(head.levels);
  }

  picture(head, picture) {
    const { canvas } = this;
    if (canvas.width !== picture.width || canvas.height !== picture.height) {
      [canvas.width, canvas.height] = [picture.width, picture.height];
    }
    canvas.getContext("2d", { willReadFrequently: true }).drawImage(picture, 0, 0);
    canvas.dataset.number = head.number ?? "";
    canvas.setAttribute("aria-label", head.number === null ? "Snapshot of what is sent" : `Picture: frame ${head.number}${head.complete ? "" : ", incomplete"}`);
  }

  // Meters from -60 to 0 dB, and the loudest channel of the last looks as a strip below.
  sound(levels) {
    const { canvas } = this;
    [canvas.width, canvas.height] = [320, 180];
    const at = canvas.getContext("2d");
    at.fillStyle = "#000";
    at.fillRect(0, 0, 320, 180);
    const part = (db) => Math.max(0, Math.min(1, (db + 60) / 60));
    const slot = 304 / levels.length;
    levels.forEach(({ peak, rms }, channel) => {
      const x = 8 + channel * slot;
      const width = Math.min(28, slot - 3);
      at.fillStyle = "#1d252e";
      at.fillRect(x, 8, width, 116);
      at.fillStyle = peak > -1 ? "#ff7468" : peak > -9 ? "#e8b04a" : "#58b374";
      at.fillRect(x, 124 - 116 * part(rms), width, 116 * part(rms));
      at.fillRect(x, 123 - 115 * part(peak), width, 2);
    });
    this.strip.push(Math.max(...levels.map((it) => it.peak)));
    if (this.strip.length > 152) this.strip.shift();
    at.fillStyle = "#6aa7e8";
    this.strip.forEach((peak, x) => {
      const height = 40 * part(peak);
      at.fillRect(8 + 2 * x, 152 - height / 2, 2, Math.max(1, height));
    });
    const loudest = Math.max(...levels.map((it) => it.peak));
    canvas.setAttribute("aria-label", `Meters of ${levels.length} channels`);
    canvas.dataset.peak = loudest;
  }
}
