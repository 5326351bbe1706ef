// The list of nodes: what is wrong first.

import { get, Live } from "./api.js";
import { fill, make, setText } from "./dom.js";
import { ago, count, signal, STATES } from "./words.js";

const _TICK_MS = 2000;
const _CLASSES = ["name", "faults", "num", "", "num", "num", "num", "version"];
const _HEADS = ["Node", "What is wrong", "Last reading", "State", "Battery", "Signal", "Waiting", "Version"];

export class Fleet {
  constructor(main, failed) {
    this.failed = failed;
    this.rows = new Map(); // {node: Row}
    this.find = make("input", { type: "search", placeholder: "Find a node, a fault, a version", "aria-label": "Find a node", oninput: () => this.sift() });
    this.only = make("button", { type: "button", class: "calm small", "aria-pressed": "false", onclick: () => this.toggle() }, "Only what is wrong");
    this.summary = make("p", { class: "dim", role: "status" });
    this.body = make("tbody");
    const heads = _HEADS.map((text, at) => make("th", { scope: "col", class: _CLASSES[at] === "num" ? "num" : "" }, text));
    this.empty = make("p", { hidden: true });
    fill(
      main,
      make("h1", {}, "Nodes"),
      this.summary,
      make("div", { class: "tools" }, this.find, this.only),
      make("table", { class: "fleet" }, make("thead", {}, make("tr", {}, ...heads)), this.body),
      this.empty,
    );
    this.keys = (event) => {
      if (event.key === "/" && !event.target.closest("input, select, textarea")) {
        event.preventDefault();
        this.find.focus();
      }
    };
    document.addEventListener("keydown", this.keys);
    this.timer = setInterval(() => this.rows.forEach((row) => row.tick()), _TICK_MS);
    this.live = new Live(null, {
      hello: () => this.load(),
      nodes: (change) => this.change(change),
      broker: (state) => document.dispatchEvent(new CustomEvent("broker", { detail: state })),
      fault: ({ text }) => setText(document.getElementById("fault"), text),
    });
  }

  close() {
    this.live.close();
    clearInterval(this.timer);
    document.removeEventListener("keydown", this.keys);
  }

  async load() {
    try {
      const { nodes } = await get("nodes");
      this.change({ nodes, gone: [...this.rows.keys()], order: nodes.map((each) => each.node) });
    } catch (error) {
      this.failed(error);
    }
  }

  change({ nodes, gone, order }) {
    const kept = new Set(order);
    for (const name of gone) {
      if (kept.has(name)) continue;
      this.rows.get(name)?.element.remove();
      this.rows.delete(name);
    }
    for (const each of nodes) {
      if (!this.rows.has(each.node)) this.rows.set(each.node, new Row());
      this.rows.get(each.node).set(each);
    }
    let place = this.body.firstChild;
    for (const name of order) {
      const element = this.rows.get(name)?.element;
      if (!element) continue;
      if (element === place) place = place.nextSibling;
      else this.body.insertBefore(element, place);
    }
    this.sift();
  }

  toggle() {
    const is = this.only.getAttribute("aria-pressed") !== "true";
    this.only.setAttribute("aria-pressed", is);
    this.sift();
  }

  sift() {
    const words = this.find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const only = this.only.getAttribute("aria-pressed") === "true";
    let shown = 0;
    let wrong = 0;
    for (const row of this.rows.values()) {
      wrong += row.wrong;
      const fits = (!only || row.wrong) && words.every((word) => row.text.includes(word));
      row.element.hidden = !fits;
      shown += fits;
    }
    setText(this.summary, `${count(this.rows.size, "node")}, ${wrong ? `something is wrong with ${wrong.toLocaleString()}` : "nothing is wrong"}`);
    this.empty.hidden = shown > 0;
    setText(this.empty, this.rows.size ? "No node fits." : "No node has published anything yet. It appears here by itself when one does.");
  }
}

class Row {
  constructor() {
    this.link = make("a");
    this.faults = make("ul");
    this.state = make("span");
    this.cells = _HEADS.map((head, at) => make("td", { class: _CLASSES[at], ...(at > 3 ? { "data-is": head } : {}) }));
    this.cells[0].append(this.link);
    this.cells[1].append(this.faults);
    this.cells[3].append(this.state);
    this.element = make("tr", {}, ...this.cells);
  }

  set(node) {
    this.node = node;
    this.wrong = node.faults.length > 0;
    this.text = [node.node, node.state, node.version, node.board, ...node.faults.map((fault) => fault.text)].join("\n").toLowerCase();
    setText(this.link, node.node);
    this.link.href = "/node/" + encodeURIComponent(node.node);
    fill(this.faults, ...node.faults.map((fault) => make("li", { class: fault.alarm ? "wrong" : "" }, fault.text)));
    this.state.className = `pill ${STATES[node.state] ?? ""}`;
    setText(this.state, node.state);
    setText(this.cells[4], node.battery === null ? "" : `${node.battery}\u202f%`);
    setText(this.cells[5], node.rssi === null ? "" : signal(node.rssi));
    setText(this.cells[6], node.waiting ? node.waiting.toLocaleString() : "");
    setText(this.cells[7], node.version ?? "");
    this.tick();
  }

  tick() {
    setText(this.cells[2], ago(this.node.reading_at));
  }
}
