// What is asked of the station, and what it tells by itself.

import { about } from "./words.js";

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function answered(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error; // nobody wants it any more
    throw new Refused(0, "The page's program does not answer: is make page still running?");
  }
  let content = {};
  try {
    content = await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(answer.status, `This was no answer of the page's program (${answer.status}).`);
  }
  if (answer.status === 401) document.dispatchEvent(new Event("login"));
  if (!answer.ok) throw new Refused(answer.status, content.error ?? `error ${answer.status}`);
  if (content.now) about.ahead = content.now - Date.now();
  return content;
}

export function get(path, query = {}, signal = undefined) {
  const text = new URLSearchParams(query).toString();
  return answered(`/api/${path}${text ? "?" + text : ""}`, { signal });
}

export function post(path, content) {
  return answered(`/api/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(content),
  });
}

const _AGAIN_MS = 5000;

// One stream for the view that is shown. It is closed while nobody sees the page: a browser has six connections to one place.
export class Live {
  // hear: {kind: function(content)}; `hello` comes first, and after each break: then all has to be loaded
  constructor(node, hear) {
    this.path = "/api/events" + (node === null ? "" : "?" + new URLSearchParams({ node }));
    this.hear = hear;
    this.source = null;
    this.timer = 0;
    this.seen = () => (document.hidden ? this.pause() : this.open());
    document.addEventListener("visibilitychange", this.seen);
    this.seen();
  }

  open() {
    if (this.source) return;
    clearTimeout(this.timer);
    this.source = new EventSource(this.path);
    for (const [kind, heard] of Object.entries({ ...this.hear, again: this.hear.hello })) {
      this.source.addEventListener(kind, (event) => heard(JSON.parse(event.data)));
    }
    this.source.onopen = () => connected(true);
    this.source.onerror = () => {
      connected(false);
      this.pause();
      this.timer = setTimeout(() => document.hidden || this.open(), _AGAIN_MS);
    };
  }

  pause() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  close() {
    document.removeEventListener("visibilitychange", this.seen);
    this.pause();
  }
}

function connected(is) {
  document.dispatchEvent(new CustomEvent("connected", { detail: is }));
}
