// An emulated Raspberry Pi Pico: rp2040js (npm, untouched) with what a board has around the chip.
//
//   node runner.mjs --rp2040js FOLDER --firmware FILE --flash FILE [--port N] [--id HEX] [--cut N] [--attach NAME=ARGUMENT]…
//
// Standard output is what the board prints on its USB serial port, standard error what happens to it, one event a line:
//   listening on N         the serial port is served on 127.0.0.1:N; the board starts
//   reset by watchdog N    the chip resets itself, the Nth time; `reset by software N` if the firmware asked for it
//   flash operations N     so many erases and programs since power-on: when it ends (SIGTERM, SIGINT), and when asked (SIGUSR2)
//   error: …               and the exit code is 1: the firmware did what this board has not, or an argument is wrong
// SIGKILL is a power cut. --cut N is one in the middle of the Nth erase or program.
//
// Attachments: `--attach NAME=ARGUMENT` imports NAME.mjs beside this file, which exports
//   async prepare(argument)  optional; once, before the board starts (connect, start a process)
//   attach(mcu, argument)    each time a chip starts, at power-on and after a reset, before its first instruction. `mcu` is rp2040js's
//                            RP2040: mcu.i2c[0], mcu.uart[0], mcu.adc, mcu.gpio[25] … It may return a function, which is called when
//                            that chip is gone.
//   joinsPins                optional; true: it answers for the level of each pin, which is otherwise that of a pin with nothing on it
// All run on the one thread: what they wait for arrives between two slices (below).
//
// Time: the emulated clock never runs faster than the real one, and when the core was too slow for it (a busy Pico takes
// about twice its time here), what was lost is not made up for: else every deadline would be over before its answer could come.

import { createRequire } from "node:module";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import fs from "node:fs";

import { BootROM } from "./rom.mjs";
import { Flash } from "./flash.mjs";
import { freePins, repair } from "./repairs.mjs";
import { shorten } from "./shortcuts.mjs";
import { SerialPort } from "./usb.mjs";
import { restore, watch } from "./watchdog.mjs";

const ROM_END = 0x4000;
const SLICE = 20_000; // instructions, about 2 ms
const CYCLE_NS = 8; // 125 MHz
const ROM_CALL_NS = 400; // the boot ROM's adding and multiplying take 50 to 70 cycles; its copying is for nothing here
const IDLE_STEP_NS = 1_000_000; // a sleeping core looks at least so often whether something arrived
const LONGEST_NS = 50_000_000; // a slice's share of real time: after the machine itself was asleep, not more

class Board {
  constructor(options, attachments) {
    const require = createRequire(`${options.rp2040js}/`); // its folder is not above this file's
    const { RP2040, USBCDC } = require("rp2040js");
    this.RP2040 = RP2040;
    this.attachments = attachments;
    this.flash = new Flash(options.flash, fs.readFileSync(options.firmware), Buffer.from(options.id, "hex"), options.cut);
    this.serial = new SerialPort(USBCDC, (bytes) => process.stdout.write(bytes), () => this.#wake());
    this.resets = 0;
    this.detach = [];
  }

  // Put a fresh chip on the board; `kept` is what the last one's reset left.
  start(kept) {
    for (const detach of this.detach) detach();
    const mcu = new this.RP2040();
    mcu.logger = { debug() {}, info() {}, warn() {}, error: (part, text) => fail(`${part}: ${text}`) };
    this.rom = new BootROM(mcu, this.flash, () => fail("the board is in its boot loader, which is not emulated"));
    mcu.loadBootrom(new Uint32Array(this.rom.image.buffer));
    repair(mcu);
    if (!this.attachments.some(({ module }) => module.joinsPins)) freePins(mcu);
    this.flash.connect(mcu); // after loadBootrom, which erases what it sees
    shorten(mcu);
    this.serial.connect(mcu);
    this.reset = null;
    watch(mcu, (left) => (this.reset = left));
    if (kept) restore(mcu, kept);
    this.mcu = mcu;
    this.detach = this.attachments.map(({ module, argument }) => module.attach(mcu, argument)).filter(Boolean);
    mcu.core.PC = 0x10000000;
  }

  run() {
    this.last = performance.now();
    this.#slice();
  }

  #slice() {
    const now = performance.now();
    const share = Math.min((now - this.last) * 1e6, LONGEST_NS);
    this.last = now;
    const idle = this.#execute(share);
    if (this.reset) {
      const kept = this.reset;
      report(`reset by ${kept.reason === 1 ? "watchdog" : "software"} ${++this.resets}`);
      this.start(kept);
    }
    this.timer = idle ? setTimeout(() => this.#slice(), 1) : null;
    if (!idle) setImmediate(() => this.#slice());
  }

  // Something arrived for a core that may be asleep.
  #wake() {
    if (!this.timer) return;
    clearTimeout(this.timer);
    this.#slice();
  }

  // Run for a slice. Returns whether the core sleeps and its share of time is used.
  #execute(share) {
    const { core, clock } = this.mcu;
    const end = clock.nanos + share;
    for (let i = 0; i < SLICE && !this.reset; i++) {
      if (core.waiting) {
        const left = end - clock.nanos;
        if (left <= 0) return true;
        clock.tick(Math.min(clock.nanosToNextAlarm || IDLE_STEP_NS, IDLE_STEP_NS, left));
        if (core.interruptsUpdated && core.checkForInterrupts()) core.waiting = false;
      } else if (core.PC < ROM_END) {
        this.rom.call();
        clock.tick(ROM_CALL_NS);
      } else {
        clock.tick(core.executeInstruction() * CYCLE_NS);
      }
    }
    return false;
  }
}

function report(text) {
  process.stderr.write(`${text}\n`);
}

function fail(text) {
  fs.writeSync(2, `error: ${text}\n`);
  process.exit(1);
}

async function main() {
  process.stdout.on("error", () => process.exit(0)); // nobody reads what it prints any more
  console.warn = () => {}; // rp2040js tells of each register it does not know, such as those of the second core's FIFO
  const { values } = parseArgs({
    options: {
      rp2040js: { type: "string" },
      firmware: { type: "string" },
      flash: { type: "string" },
      port: { type: "string", default: "0" },
      id: { type: "string", default: "e660000000000001" },
      cut: { type: "string", default: "0" },
      attach: { type: "string", multiple: true, default: [] },
    },
  });
  const attachments = [];
  for (const attachment of values.attach) {
    const [name, ...rest] = attachment.split("=");
    const argument = rest.join("=");
    const module = await import(`./${name}.mjs`);
    await module.prepare?.(argument);
    attachments.push({ module, argument });
  }
  const board = new Board({ ...values, cut: Number(values.cut) }, attachments);
  for (const signal of ["SIGTERM", "SIGINT", "SIGUSR2"])
    process.on(signal, () => {
      report(`flash operations ${board.flash.operations}`);
      if (signal !== "SIGUSR2") process.exit(0);
    });
  board.start();
  report(`listening on ${await board.serial.listen(Number(values.port))}`);
  board.run();
}

main().catch((error) =>
  fail(error.code === "EADDRINUSE" ? `port ${error.port} is in use, by another board? PORT=0 takes a free one` : error.message),
);
