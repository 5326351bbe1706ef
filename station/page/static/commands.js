// What a node can be told: its outputs, and its commands with their replies.

import { post } from "./api.js";
import { fill, make, setText } from "./dom.js";
import { about, clock } from "./words.js";

const _REPLIES = 20;

export class Commands {
  constructor(node) {
    this.node = node;
    this.status = null;
    this.outputs = new Map();
    this.place = make("div", { class: "grid" });
    this.sensor = make("select", { "aria-label": "Which sensor" });
    this.seconds = make("input", { type: "number", min: 1, max: 600, value: 10 });
    this.why = make("p", { class: "dim" });
    this.replies = make("ul", { class: "replies", role: "log", "aria-label": "Replies" });
    const button = (text, does, kind = "calm") => make("button", { type: "button", class: kind, onclick: does }, text);
    this.buttons = make(
      "div",
      { class: "do" },
      make("span", {}, this.sensor, " ", button("Read now", () => this.command("read", this.sensor.value ? { sensor: this.sensor.value } : {}))),
      make("span", {}, make("label", {}, "Seconds", this.seconds), " ", button("Blink", () => this.command("identify", { seconds: this.seconds.valueAsNumber || 0 }))),
      button("Announce", () => this.command("announce", {})),
      button("Restart …", () => this.ask(), "grave"),
    );
    this.dialog = make(
      "dialog",
      {},
      make("p", {}, `Restart ${node}? Readings that wait on it stay there. It is back in some ten seconds.`),
      make(
        "form",
        { method: "dialog", class: "do" },
        make("button", { value: "yes", class: "grave" }, "Restart"),
        make("button", { value: "", class: "calm" }, "Cancel"),
      ),
    );
    this.dialog.addEventListener("close", () => this.dialog.returnValue === "yes" && this.command("restart", {}));
    this.element = make("div", {}, this.place, make("div", { class: "card" }, this.buttons, this.why, this.replies), this.dialog);
  }

  ask() {
    this.dialog.returnValue = "";
    this.dialog.showModal();
  }

  set(outputs, channels) {
    const chosen = this.sensor.value;
    fill(this.sensor, make("option", { value: "" }, "all sensors"), ...channels.map((each) => make("option", { value: each.channel }, each.channel)));
    this.sensor.value = channels.some((each) => each.channel === chosen) ? chosen : "";
    this.outputs.clear();
    fill(this.place);
    for (const [name, state] of Object.entries(outputs)) this.output(name, state);
    this.reachable();
  }

  setStatus(status) {
    this.status = status;
    this.reachable();
  }

  reachable() {
    const why = !about.broker.connected ? `Commands are not possible: ${about.broker.why}.` : this.status === "online" ? "" : `${this.node} is ${this.status ?? "not known to be online"}: nobody answers.`;
    setText(this.why, why);
    for (const each of this.element.querySelectorAll(".do button, .do input, .do select, .output button, .output input")) {
      if (!each.closest("dialog")) each.disabled = why !== "";
    }
  }

  // state: null: the node has it no more
  output(name, state) {
    const before = this.outputs.get(name)?.element;
    this.outputs.delete(name);
    if (state === null) return before?.remove();
    const made = new Output(name, state, (value) => this.send("output", { node: this.node, name, value }, `${name} → ${value}`));
    this.outputs.set(name, made);
    const focused = before?.contains(document.activeElement);
    if (before) before.replaceWith(made.element);
    else this.place.append(made.element);
    this.reachable();
    if (focused) made.element.querySelector("button, input")?.focus();
  }

  command(command, given) {
    return this.send("command", { node: this.node, command, arguments: given }, command);
  }

  async send(path, content, title) {
    const line = make("li", {}, `${clock(Date.now())}  ${title}: …`);
    this.replies.prepend(line);
    while (this.replies.children.length > _REPLIES) this.replies.lastChild.remove();
    try {
      const { id, cmd, ok, error, ...rest } = await post(path, content);
      const more = Object.keys(rest).length ? " " + JSON.stringify(rest) : "";
      setText(line, `${clock(Date.now())}  ${title}: ${ok === false ? (error ?? "it did not go") : "done" + more}`);
      line.className = ok === false ? "wrong" : "";
    } catch (error) {
      setText(line, `${clock(Date.now())}  ${title}: ${error.message}`);
      line.className = "wrong";
    }
  }
}

class Output {
  constructor(name, state, set) {
    this.element = make("div", { class: "card output" }, make("h3", {}, name));
    if (state?.state === "ON" || state?.state === "OFF") {
      const on = state.state === "ON";
      const button = make("button", { type: "button", class: on ? "" : "calm", role: "switch", "aria-checked": String(on), "aria-label": name, onclick: () => set(on ? "OFF" : "ON") }, on ? "on" : "off");
      this.element.append(button);
      if (typeof state.brightness === "number") {
        const range = make("input", { type: "range", min: 1, max: 255, value: state.brightness, "aria-label": `Brightness of ${name}` });
        range.addEventListener("change", () => set(JSON.stringify({ state: "ON", brightness: range.valueAsNumber })));
        this.element.append(make("p", {}, range));
      }
    } else if (typeof state?.value === "number") {
      const input = make("input", { type: "number", value: state.value, step: "any", "aria-label": name });
      input.addEventListener("change", () => input.value && set(input.value));
      this.element.append(input);
    } else {
      this.element.append(make("p", { class: "dim" }, JSON.stringify(state)));
    }
  }
}
