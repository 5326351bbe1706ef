// The pins of the emulated Pico, joined to a process that has the chips: tells it what the board does to them, and asks it for levels.
//
// Requests are `microseconds word arguments`, microseconds of emulated time since the chip's start:
//
//     hello                       from a chip that starts, or that begins to ask: what are the levels? "ahead": and time
//                                 may run ahead of the real one while the core sleeps, a sensor's minute be over in a second
//     news                        is there any?
//     pin N OUT PULL              the board drives pin N (0, 1, -: not) and pulls it (0, 1, -)
//     address PINS A r|w HZ       a start condition and address A, on the bus of these pins (4,5) with this clock
//     write PINS HEX              the bytes after it, all of them
//     took PINS N                 so many bytes were read before the stop or the next start
//     stop PINS
//     adc N                       a conversion at pin N
//     sent PINS HEX               a byte left a UART
//     listen PINS                 what came for a UART?
//
// An answer is a word, then levels of pins that are others than before, `4=0 5=1`, or will be, `4=1@MICROSECONDS`, and when
// to ask for news, `next@MICROSECONDS`. The word is `+` (acknowledged) or `-`; to a read's address hexadecimal digits, of
// which as many bytes are taken as the board wants; to `adc` 0 to 4095; to `listen` hexadecimal digits or `-`.

import fs from "node:fs";

const PINS = 29;

/** The other process, asked synchronously. */
export class Stand {
  constructor(folder) {
    this.folder = folder;
    this.requests = this.answers = null;
    this.rest = "";
    this.ahead = false; // may time run ahead?
  }

  /** The line that answers `text`, or null: nobody is there. `greet` somebody who is new. */
  ask(text, greet) {
    for (const _ of [1, 2]) {
      if (this.requests === null) {
        if (!this.open()) return null;
        greet();
      }
      try {
        fs.writeSync(this.requests, `${text}\n`);
        return this.line();
      } catch (error) {
        if (error.code !== "EPIPE") throw error;
        this.close(); // that one has gone; there may be another
      }
    }
    return null;
  }

  open() {
    try {
      const flags = fs.constants.O_WRONLY | fs.constants.O_NONBLOCK;
      this.requests = fs.openSync(`${this.folder}/requests`, flags);
    } catch (error) {
      if (error.code !== "ENXIO" && error.code !== "ENOENT") throw error;
      return false;
    }
    this.answers = fs.openSync(`${this.folder}/answers`, "r"); // waits until the other side opens it, too
    return true;
  }

  line() {
    const buffer = Buffer.alloc(4096);
    let end;
    while ((end = this.rest.indexOf("\n")) < 0) {
      const n = fs.readSync(this.answers, buffer);
      if (!n) {
        this.close();
        return null;
      }
      this.rest += buffer.toString("latin1", 0, n);
    }
    const line = this.rest.slice(0, end);
    this.rest = this.rest.slice(end + 1);
    return line;
  }

  close() {
    if (this.requests === null) return;
    this.ahead = false;
    fs.closeSync(this.requests);
    fs.closeSync(this.answers);
    this.requests = this.answers = null;
    this.rest = "";
  }
}

/** The pins, whose levels the stand says, and everything that is asked of it. */
export class Pins {
  constructor(mcu, stand) {
    this.mcu = mcu;
    this.stand = stand;
    this.levels = new Map();
    this.coming = [];
    this.alarm = mcu.clock.createAlarm(() => this.arrive());
    this.visit = mcu.clock.createAlarm(() => this.ask("news"));
    for (let n = 0; n < PINS; n++) {
      mcu.gpio[n].addListener(() => this.tell(n));
    }
  }

  /** Ask; pins take the levels that come with the answer. Null: nobody is there. */
  ask(words) {
    const now = () => Math.floor(this.mcu.clock.nanos / 1000);
    const answer = this.stand.ask(`${now()} ${words}`, () => {
      this.levels.clear();
      this.coming.length = 0;
      this.stand.ahead = this.settle(this.stand.ask(`${now()} hello`)) === "ahead";
      for (let n = 0; n < PINS; n++) this.tell(n);
    });
    return this.settle(answer);
  }

  settle(answer) {
    if (answer === null) return null;
    const [word, ...changes] = answer.split(" ");
    for (const change of changes) {
      const [what, at] = change.split("@");
      if (what === "next") {
        this.visit.schedule(this.until(at));
      } else {
        const [n, level] = what.split("=").map(Number);
        if (at === undefined) this.set(n, level);
        else this.coming.push({ at: Number(at), n, level });
      }
    }
    this.expect();
    return word;
  }

  until(micros) {
    return Math.max(micros * 1000 - this.mcu.clock.nanos, 0);
  }

  set(n, level) {
    if (this.levels.get(n) === level) return; // rp2040js would see an edge
    this.levels.set(n, level);
    this.mcu.gpio[n].setInputValue(level === 1);
  }

  /** Levels that were announced come in their order. */
  expect() {
    if (this.coming.length) this.alarm.schedule(this.until(this.coming[0].at));
  }

  arrive() {
    const { n, level } = this.coming.shift();
    this.set(n, level);
    this.expect();
  }

  tell(n) {
    const pin = this.mcu.gpio[n];
    const out = pin.outputEnable ? Number(pin.outputValue) : "-";
    const pull = pin.pullupEnabled ? 1 : pin.pulldownEnabled ? 0 : "-";
    this.ask(`pin ${n} ${out} ${pull}`);
  }

  /** The pins that are switched to a function, of those that `fits`. */
  of(functionSelect, fits) {
    const found = [];
    for (let n = 0; n < PINS; n++) {
      if (this.mcu.gpio[n].functionSelect === functionSelect && fits(n)) found.push(n);
    }
    return found;
  }
}
