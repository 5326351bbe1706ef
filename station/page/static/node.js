// One node: what is wrong, what it measures, its plots, its commands, its log, how it is.

import { get, Live } from "./api.js";
import { Commands } from "./commands.js";
import { fill, make, section, setText } from "./dom.js";
import { HEALTH, INFO, pairs } from "./members.js";
import { Now } from "./values.js";
import { Plots } from "./plots.js";
import { ago, clock, STATES } from "./words.js";

const _LINES = 200;

export class Node {
  constructor(main, name, failed) {
    this.main = main;
    this.name = name;
    this.failed = failed;
    this.node = null;
    this.title = make("h1", {}, name);
    this.state = make("span", { class: "pill" });
    this.since = make("span", { class: "dim" });
    this.faults = make("ul", { class: "card faults", hidden: true, "aria-label": "What is wrong" });
    this.now = new Now();
    this.plots = new Plots(name, failed);
    this.commands = new Commands(name);
    this.log = make("pre", { tabIndex: 0, "aria-label": "Log lines, the newest first" });
    this.crash = make("pre", { tabIndex: 0, "aria-label": "The last crash" });
    this.health = make("dl", { class: "pairs" });
    this.info = make("dl", { class: "pairs" });
    this.noInfo = make("p", { class: "dim", hidden: true }, "It has not said what it is (info). A node says so when it connects to the broker.");
    this.healthAt = make("p", { class: "dim" });
    this.crashed = section("Last crash", make("div", { class: "card" }, this.crash));
    this.crashed.hidden = true;
    fill(
      main,
      make("a", { href: "/", class: "dim" }, "← All nodes"),
      make("div", { class: "head" }, this.title, this.state, this.since),
      this.faults,
      section("Now", this.now.element),
      section("Plots", this.plots.element),
      section("Outputs and commands", this.commands.element),
      this.crashed,
      section("Log", make("div", { class: "card" }, this.log)),
      section("Health", make("div", { class: "card" }, this.health, this.healthAt)),
      section("The node", make("div", { class: "card" }, this.info, this.noInfo)),
    );
    this.timer = setInterval(() => this.tick(), 1000);
    this.live = new Live(name, {
      hello: () => this.load(),
      node: (summary) => this.change(summary),
      readings: ({ readings }) => this.read(readings),
      log: (line) => this.say([line]),
      // Not shown as it comes: a broker that ends says `offline` of every node. What follows from it is in `node`.
      status: ({ status }) => this.commands.setStatus(status),
      output: ({ name, state }) => this.commands.output(name, state),
      broker: (state) => {
        document.dispatchEvent(new CustomEvent("broker", { detail: state }));
        this.commands.reachable();
      },
      fault: ({ text }) => setText(document.getElementById("fault"), text),
    });
  }

  close() {
    this.live.close();
    this.plots.close();
    clearInterval(this.timer);
  }

  async load() {
    try {
      const node = await get("node", { node: this.name });
      this.lines = [];
      this.now.set(node.channels);
      this.plots.set(node.channels);
      this.commands.set(node.outputs, node.channels);
      setText(this.log, "");
      this.say(node.log);
      this.change(node);
    } catch (error) {
      if (error.status === 404) this.unknown();
      else this.failed(error);
    }
  }

  // Nothing to press: it would go to nobody.
  unknown() {
    this.close();
    fill(
      this.main,
      make("a", { href: "/", class: "dim" }, "← All nodes"),
      make("h1", {}, this.name),
      make("p", {}, "There is no node of this name: nothing has been heard of it. If you have just set it up, load this page again when it is connected."),
    );
  }

  change(node) {
    this.node = node;
    setText(this.state, node.state);
    this.state.className = `pill ${STATES[node.state] ?? ""}`;
    this.commands.setStatus(node.status);
    this.faults.hidden = !node.faults.length;
    this.faults.classList.toggle("bad", node.faults.some((fault) => fault.alarm));
    fill(this.faults, ...node.faults.map((fault) => make("li", {}, fault.text)));
    fill(this.health, ...pairs(HEALTH, node.health));
    fill(this.info, ...pairs(INFO, node.info));
    this.noInfo.hidden = this.info.hasChildNodes();
    const crash = node.info.crash;
    this.crashed.hidden = !crash;
    setText(this.crash, typeof crash === "string" ? crash : JSON.stringify(crash ?? null, null, 1));
    this.tick();
  }

  read(readings) {
    if (!this.node || readings.some((reading) => this.plots.lacks(reading))) return this.load();
    this.now.read(readings);
    this.plots.read(readings);
    const newest = Math.max(...readings.map((reading) => reading.received));
    if (this.node) this.node.reading_at = Math.max(this.node.reading_at ?? 0, newest);
    this.tick();
  }

  say(lines) {
    if (!this.lines) return; // not loaded yet
    this.lines.unshift(...lines.toReversed());
    this.lines.length = Math.min(this.lines.length, _LINES);
    const text = this.lines.map((line) => `${clock(line.at)}  ${line.text}`).join("\n");
    setText(this.log, text || "Nothing since the page was started. Lines are not stored.");
  }

  tick() {
    if (!this.node) return;
    setText(this.since, `last reading ${ago(this.node.reading_at)}`);
    setText(this.healthAt, this.node.health_at ? `It said so ${ago(this.node.health_at)}.` : "It has not said how it is.");
    this.now.tick();
  }
}
