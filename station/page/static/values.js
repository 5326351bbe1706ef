// What each sensor measured last.

import { fill, make, setText } from "./dom.js";
import { ago, label, value } from "./words.js";

export class Now {
  constructor() {
    this.element = make("div", { class: "grid now" });
    this.cards = new Map(); // {channel: Card}
  }

  set(channels) {
    this.cards = new Map(channels.map((each) => [each.channel, new Card(each)]));
    if (this.cards.size) fill(this.element, ...[...this.cards.values()].map((card) => card.element));
    else fill(this.element, make("p", {}, "It has not sent a reading yet."));
  }

  read(readings) {
    for (const reading of readings) {
      const card = this.cards.get(reading.channel);
      if (card) card.set(reading, true);
      else this.set([...[...this.cards.values()].map((each) => each.reading), reading]);
    }
  }

  tick() {
    this.cards.forEach((card) => card.tick());
  }
}

class Card {
  constructor(reading) {
    this.list = make("dl");
    this.error = make("p", { class: "wrong", hidden: true });
    this.age = make("p", { class: "dim" });
    this.element = make("div", { class: "card" }, make("h3", {}, reading.channel), this.list, this.error, this.age);
    this.set(reading, false);
  }

  // A reading that an outage held up is no news, unless nothing is newer.
  set(reading, fresh) {
    if (this.reading?.ts && reading.ts && reading.ts < this.reading.ts) return;
    this.reading = reading;
    const { error, ...quantities } = reading.quantities;
    this.error.hidden = error === undefined;
    setText(this.error, String(error ?? ""));
    const pairs = Object.entries(quantities).map(([name, given]) => make("div", {}, make("dt", {}, label(name)), make("dd", {}, value(name, given))));
    fill(this.list, ...pairs);
    this.element.classList.remove("fresh");
    if (fresh) requestAnimationFrame(() => this.element.classList.add("fresh"));
    this.tick();
  }

  tick() {
    const { ts, received } = this.reading;
    setText(this.age, ts === null ? `came ${ago(received)}, without its time` : ago(ts));
  }
}
