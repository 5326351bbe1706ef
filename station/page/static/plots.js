// The plots of a node: one for each quantity, all over the same time.

import { fill, make, setText } from "./dom.js";
import { Plot } from "./plot.js";
import { now, time, zone } from "./words.js";

const _MINUTE = 60_000;
const _HOUR = 60 * _MINUTE;
const _DAY = 24 * _HOUR;
const _SHORTEST = 10_000;
const _LONGEST = 20 * 366 * _DAY;
const _LEAST = _MINUTE; // of "all"
const _SETTLE_MS = 150; // until nobody presses a key any more

const _SPANS = [
  ["hour", _HOUR],
  ["day", _DAY],
  ["week", 7 * _DAY],
  ["month", 30 * _DAY],
  ["year", 365 * _DAY],
  ["all", null],
];

const plotKey = (channel, quantity) => JSON.stringify([channel, quantity]);

export class Plots {
  constructor(node, failed) {
    this.node = node;
    this.failed = failed;
    this.plots = [];
    this.span = null; // name of a row of _SPANS: the end goes with the time; null: from `begin` to `end`
    this.begin = 0;
    this.end = 0;
    this.first = null; // when the oldest reading was taken
    this.buttons = _SPANS.map(([name]) => make("button", { type: "button", class: "calm small", "aria-pressed": "false", onclick: () => this.follow(name) }, name));
    const step = (text, name, does) => make("button", { type: "button", class: "calm small", "aria-label": name, title: name, onclick: does }, text);
    this.range = make("p", { class: "dim", role: "status" });
    this.area = make("div", { class: "plots" });
    const keys = [
      ["k-line", "mean"],
      ["k-band", "least to most"],
      ["k-late", "came late"],
      ["k-gap", "no readings"],
      ["k-error", "sensor failed"],
    ];
    this.element = make(
      "div",
      {},
      make(
        "div",
        { class: "spans", role: "group", "aria-label": "Time that the plots show" },
        ...this.buttons,
        step("◀", "earlier", () => this.pan(-0.5)),
        step("▶", "later", () => this.pan(0.5)),
        step("+", "closer", () => this.zoom(0.5)),
        step("−", "farther", () => this.zoom(2)),
      ),
      this.range,
      this.area,
      make("ul", { class: "keys dim", "aria-label": "Colours" }, ...keys.map(([kind, text]) => make("li", {}, make("span", { class: kind }), text))),
      make("p", { class: "dim" }, "Keys on a plot: ← → go, + − zoom, End is now. Drag to zoom in."),
    );
    this.themed = () => this.plots.forEach((plot) => plot.colour());
    document.addEventListener("theme", this.themed);
    this.timer = setInterval(() => this.tick(), 1000);
    // Plots that nobody sees ask for nothing.
    this.seen = new IntersectionObserver((entries) => {
      for (const entry of entries) entry.target.plot.see(entry.isIntersecting);
    }, { rootMargin: "200px" });
  }

  close() {
    document.removeEventListener("theme", this.themed);
    clearInterval(this.timer);
    clearTimeout(this.settling);
    this.seen.disconnect();
    this.plots.forEach((plot) => plot.close());
  }

  set(channels) {
    const begins = channels.map((each) => each.begin).filter((ts) => ts !== null);
    this.first = begins.length ? Math.min(...begins) : null;
    const wanted = channels.flatMap((each) => each.plots.map((quantity) => [each, quantity]));
    const had = new Map(this.plots.map((plot) => [plot.key, plot]));
    this.plots = wanted.map(([each, quantity]) => {
      const key = plotKey(each.channel, quantity);
      const found = had.get(key) ?? new Plot(this, each.channel, quantity, key, typeof each.quantities[quantity] === "boolean");
      had.delete(key);
      return found;
    });
    for (const plot of had.values()) {
      this.seen.unobserve(plot.element);
      plot.close();
    }
    if (this.plots.length) fill(this.area, ...this.plots.map((plot) => plot.element));
    else fill(this.area, make("p", {}, "There is no number to be plotted yet."));
    this.plots.forEach((plot) => this.seen.observe(plot.element));
    // A node that is new has a day's plot with nothing in it.
    if (!this.end) this.follow(this.first === null || now() - this.first < 6 * _HOUR ? "all" : "day");
    else this.plots.forEach((plot) => plot.stale());
  }

  read(readings) {
    const times = readings.map((reading) => reading.ts).filter((ts) => ts !== null);
    if (times.length) this.first = Math.min(this.first ?? Infinity, ...times);
    const channels = new Set(readings.map((reading) => reading.channel));
    for (const plot of this.plots) if (channels.has(plot.channel)) plot.stale();
  }

  // Is a number in it of which there is no plot yet?
  lacks({ channel, quantities }) {
    const known = new Set(this.plots.map((plot) => plot.key));
    return Object.entries(quantities).some(([name, given]) => name !== "error" && typeof given !== "string" && !known.has(plotKey(channel, name)));
  }

  follow(name) {
    this.span = name;
    this.move(...this.following());
  }

  following() {
    const end = now();
    const long = _SPANS.find(([name]) => name === this.span)[1];
    if (long !== null) return [end - long, end];
    const first = Math.min(this.first ?? end, end - _LEAST);
    return [first - (end - first) * 0.02, end];
  }

  // by: share of what is shown
  pan(by) {
    const long = this.end - this.begin;
    this.span = null;
    this.move(this.begin + long * by, this.end + long * by);
  }

  zoom(by) {
    const long = Math.min(Math.max((this.end - this.begin) * by, _SHORTEST), _LONGEST);
    const middle = (this.begin + this.end) / 2;
    const live = this.span !== null; // what follows the time stays at its end
    this.span = null;
    this.move(live ? this.end - long : middle - long / 2, live ? this.end : middle + long / 2);
  }

  // A span that keeps its length, and ends now.
  toNow() {
    const long = this.end - this.begin;
    this.move(now() - long, now());
  }

  show(begin, end) {
    if (end - begin < _SHORTEST) return;
    this.span = null;
    this.move(begin, end);
  }

  move(begin, end) {
    this.begin = Math.max(0, Math.round(begin));
    this.end = Math.round(end);
    this.buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(_SPANS[at][0] === this.span)));
    setText(this.range, `${time(this.begin)} to ${this.span === null ? time(this.end) : "now"}, ${zone()}`);
    this.plots.forEach((plot) => plot.slide());
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.plots.forEach((plot) => plot.load()), _SETTLE_MS);
  }

  tick() {
    if (this.span === null || document.hidden) return;
    [this.begin, this.end] = this.following().map(Math.round);
    this.plots.forEach((plot) => plot.tick());
  }
}
