// Plays a part of a recording: its pictures one by one, or two channels of its sound.

import { el, exact, say } from "./dom.js";

// Milliseconds that are loaded at once.
const PART = 20_000;

export class Player {
  constructor(recording, what, length) {
    Object.assign(this, { recording, what, frames: [], at: 0 });
    this.began = new Date(recording.started_at).getTime();
    this.said = el("p", { class: "said", role: "status" });
    const where = el("input", { type: "range", min: 0, max: Math.max(0, Math.ceil(length / 1000) - 1), value: 0, step: 1, disabled: length < 2000 });
    const from = el("output", {}, exact(this.began));
    where.addEventListener("input", () => say(from, exact(this.began + 1000 * where.value)));
    where.addEventListener("change", () => this.load(1000 * where.value));
    this.stage = el("div", { class: "player" });
    this.element = el("div", {}, el("label", {}, "From ", where, " ", from), this.stage, this.said);
    this.load(0);
  }

  end() {
    this.stop?.abort();
    clearInterval(this.clock);
    if (this.url) URL.revokeObjectURL(this.url);
  }

  async load(from) {
    this.end();
    this.stop = new AbortController();
    const { signal } = this.stop;
    say(this.said, "Loading…");
    try {
      const answer = await fetch(`/api/recordings/${this.recording.id}/play?what=${this.what}&from=${from}&length=${PART}`, { signal });
      if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `HTTP ${answer.status}`);
      await (this.what === "sound" ? this.sound(answer) : this.pictures(answer));
    } catch (error) {
      if (!signal.aborted) say(this.said, error.message);
    }
  }

  async sound(answer) {
    const wave = readWave(await answer.arrayBuffer());
    const pairs = Math.ceil(wave.channels / 2);
    const audio = el("audio", { controls: true, "aria-label": `Sound of ${this.recording.name}` });
    const use = (pair) => {
      if (this.url) URL.revokeObjectURL(this.url);
      this.url = URL.createObjectURL(new Blob([pairOf(wave, pair)], { type: "audio/wav" }));
      audio.src = this.url;
    };
    const choice = pairs > 1 && el("select", { onchange: () => use(Number(choice.value)) }, Array.from({ length: pairs }, (_, it) => el("option", { value: it }, `${2 * it + 1} and ${2 * it + 2}`)));
    use(0);
    this.stage.replaceChildren(audio, ...(choice ? [el("label", {}, " Channels ", choice)] : []));
    say(this.said, "");
  }

  async pictures(answer) {
    [this.frames, this.at] = [[], 0];
    this.canvas = el("canvas", { role: "img", "aria-label": "No picture yet", width: 480, height: 270 });
    this.scale = el("input", { type: "range", min: 0, max: 0, value: 0, oninput: () => { this.pause(); this.draw(Number(this.scale.value)); } });
    this.button = el("button", { onclick: () => (this.clock ? this.pause() : this.run()) }, "Play");
    const step = (by, label) => el("button", { onclick: () => { this.pause(); this.draw(this.at + by); }, "aria-label": label }, by < 0 ? "−1" : "+1");
    this.stage.replaceChildren(el("div", { class: "screen" }, this.canvas), el("p", { class: "buttons" }, this.button, step(-1, "One frame back"), step(1, "One frame on"), el("label", {}, "Frame ", this.scale)));
    const reader = answer.body.getReader();
    let rest = new Uint8Array();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const bytes = new Uint8Array(rest.length + value.length);
      bytes.set(rest);
      bytes.set(value, rest.length);
      rest = this.take(bytes);
      this.scale.max = Math.max(0, this.frames.length - 1);
      if (this.frames.length > 0 && this.canvas.dataset.time === undefined) await this.draw(0);
    }
    if (this.frames.length === 0) say(this.said, "No frame is complete here.");
    else if (!this.clock) await this.draw(this.at);
  }

  // Takes the whole pictures out of the bytes, and gives the rest.
  take(bytes) {
    let from = 0;
    for (let end = jpegEnd(bytes, from); end > 0; end = jpegEnd(bytes, from)) {
      this.frames.push(bytes.slice(from, end));
      from = end;
    }
    return bytes.slice(from);
  }

  async draw(at) {
    if (at < 0 || at >= this.frames.length) { this.pause(); return; }
    this.at = at;
    const frame = this.frames[at];
    const picture = await createImageBitmap(new Blob([frame], { type: "image/jpeg" }));
    if (this.at !== at) return;
    const { canvas } = this;
    if (canvas.width !== picture.width || canvas.height !== picture.height) [canvas.width, canvas.height] = [picture.width, picture.height];
    canvas.getContext("2d", { willReadFrequently: true }).drawImage(picture, 0, 0);
    picture.close();
    const time = timeOf(frame);
    canvas.dataset.time = time;
    canvas.setAttribute("aria-label", `Frame ${at + 1} of ${this.frames.length}, ${exact(time)}`);
    this.scale.value = at;
    say(this.said, `Frame ${at + 1} of ${this.frames.length}, came at ${exact(time)}`);
  }

  run() {
    if (this.at >= this.frames.length - 1) this.at = 0;
    const first = timeOf(this.frames[this.at]);
    const began = performance.now();
    say(this.button, "Pause");
    // The frame whose time has come; a gap stands still.
    this.clock = setInterval(() => {
      const now = first + performance.now() - began;
      let at = this.at;
      while (at + 1 < this.frames.length && timeOf(this.frames[at + 1]) <= now) at += 1;
      if (at !== this.at) this.draw(at);
      if (at >= this.frames.length - 1) this.pause();
    }, 10);
  }

  pause() {
    clearInterval(this.clock);
    this.clock = undefined;
    say(this.button, "Play");
  }
}

// Where a JPEG that begins at `at` ends; 0 if its end is not there yet. Segments have a length; in the data behind the
// last one a marker is no zero and no restart.
function jpegEnd(bytes, at) {
  let scan = at + 2;
  while (scan + 4 <= bytes.length && bytes[scan + 1] !== 0xda) scan += 2 + (bytes[scan + 2] << 8) + bytes[scan + 3];
  for (; scan + 1 < bytes.length; scan += 1) if (bytes[scan] === 0xff && bytes[scan + 1] === 0xd9) return scan + 2;
  return 0;
}

// The time in the segment APP15, in milliseconds since 1970.
function timeOf(jpeg) {
  for (let at = 2; at + 4 <= jpeg.length && jpeg[at + 1] !== 0xda;) {
    const length = (jpeg[at + 2] << 8) + jpeg[at + 3];
    const text = jpeg[at + 1] === 0xef ? new TextDecoder().decode(jpeg.subarray(at + 4, at + 2 + length)) : "";
    if (text.startsWith("onair")) return Number(text.slice(5)) / 1e6;
    at += 2 + length;
  }
  return 0;
}

function readWave(buffer) {
  const view = new DataView(buffer);
  const wave = { view };
  const name = (at) => String.fromCharCode(...new Uint8Array(buffer, at, 4));
  for (let at = 12; at + 8 <= buffer.byteLength;) {
    const length = view.getUint32(at + 4, true);
    if (name(at) === "fmt ") Object.assign(wave, { channels: view.getUint16(at + 10, true), rate: view.getUint32(at + 12, true), bytes: view.getUint16(at + 22, true) / 8 });
    // Its length is not known when it is written to a pipe: all that follows.
    if (name(at) === "data") return Object.assign(wave, { start: at + 8 });
    at += 8 + length + (length % 2);
  }
  throw new Error("This is no sound that the wall understands.");
}

// Two channels, 16 bits: what every browser plays.
function pairOf({ view, start, channels, rate, bytes }, pair) {
  const group = channels * bytes;
  const samples = Math.floor((view.byteLength - start) / group);
  const out = new DataView(new ArrayBuffer(44 + 4 * samples));
  const text = (at, what) => [...what].forEach((it, place) => out.setUint8(at + place, it.charCodeAt(0)));
  text(0, "RIFF");
  out.setUint32(4, 36 + 4 * samples, true);
  text(8, "WAVEfmt ");
  out.setUint32(16, 16, true);
  out.setUint16(20, 1, true);
  out.setUint16(22, 2, true);
  out.setUint32(24, rate, true);
  out.setUint32(28, 4 * rate, true);
  out.setUint16(32, 4, true);
  out.setUint16(34, 16, true);
  text(36, "data");
  out.setUint32(40, 4 * samples, true);
  for (let side = 0; side < 2; side += 1) {
    const channel = Math.min(2 * pair + side, channels - 1);
    // The upper two bytes of a sample.
    const first = start + (channel + 1) * bytes - 2;
    for (let at = 0; at < samples; at += 1) out.setInt16(44 + 4 * at + 2 * side, view.getInt16(first + at * group, true), true);
  }
  return out.buffer;
}
