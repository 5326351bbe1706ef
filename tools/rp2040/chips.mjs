// Sensors on the pins of the emulated Pico: I2C, ADC and UART traffic goes to another process, which has the chips.
//
// `--attach chips=FOLDER`: FOLDER has two named pipes. A line to `requests` is answered by a line from `answers`, while
// nothing happens here: the core stands still, so that to be asked costs no emulated time. While nobody reads
// `requests`, nothing is on the pins. What a byte takes on the wire passes before its answer counts. While somebody does,
// the clock of a sleeping core runs ahead of the real one: a sensor's minute is over in a second.
//
// Requests are `microseconds word arguments`, microseconds of emulated time since the chip's start:
//
//     hello                       from a chip that starts, or that begins to ask: what are the levels?
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
// to ask for news, `next@MICROSECONDS`. The word is `+` (acknowledged) or `-`;
// to a read's address hexadecimal digits, of which as many bytes are taken as the board wants; to `adc` 0 to 4095;
// to `listen` hexadecimal digits or `-`.

import fs from 'node:fs';

const FUNCTION_UART = 2;
const FUNCTION_I2C = 3;
const PINS = 29;

/** The other process, asked synchronously. */
class Bench {
  constructor(folder) {
    this.folder = folder;
    this.requests = this.answers = null;
    this.rest = '';
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
        if (error.code !== 'EPIPE') throw error;
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
      if (error.code !== 'ENXIO' && error.code !== 'ENOENT') throw error;
      return false;
    }
    this.answers = fs.openSync(`${this.folder}/answers`, 'r'); // waits until the other side opens it, too
    return true;
  }

  line() {
    const buffer = Buffer.alloc(4096);
    let end;
    while ((end = this.rest.indexOf('\n')) < 0) {
      const n = fs.readSync(this.answers, buffer);
      if (!n) {
        this.close();
        return null;
      }
      this.rest += buffer.toString('latin1', 0, n);
    }
    const line = this.rest.slice(0, end);
    this.rest = this.rest.slice(end + 1);
    return line;
  }

  close() {
    if (this.requests === null) return;
    fs.closeSync(this.requests);
    fs.closeSync(this.answers);
    this.requests = this.answers = null;
    this.rest = '';
  }
}

/** The pins, whose levels the bench says, and everything that is asked of it. */
class Pins {
  constructor(mcu, bench) {
    this.mcu = mcu;
    this.bench = bench;
    this.levels = new Map();
    this.coming = [];
    this.alarm = mcu.clock.createAlarm(() => this.arrive());
    this.visit = mcu.clock.createAlarm(() => this.ask('news'));
    for (let n = 0; n < PINS; n++) {
      mcu.gpio[n].addListener(() => this.tell(n));
    }
  }

  /** Ask; pins take the levels that come with the answer. Null: nobody is there. */
  ask(words) {
    const now = () => Math.floor(this.mcu.clock.nanos / 1000);
    const answer = this.bench.ask(`${now()} ${words}`, () => {
      this.levels.clear();
      this.coming.length = 0;
      this.settle(this.bench.ask(`${now()} hello`)); // the levels
      for (let n = 0; n < PINS; n++) this.tell(n);
    });
    return this.settle(answer);
  }

  settle(answer) {
    if (answer === null) return null;
    const [word, ...changes] = answer.split(' ');
    for (const change of changes) {
      const [what, at] = change.split('@');
      if (what === 'next') {
        this.visit.schedule(this.until(at));
      } else {
        const [n, level] = what.split('=').map(Number);
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
    const out = pin.outputEnable ? Number(pin.outputValue) : '-';
    const pull = pin.pullupEnabled ? 1 : pin.pulldownEnabled ? 0 : '-';
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

const ENABLE = 0x6c;
const TX_EMPTY = 1 << 4;

function attachI2c(mcu, number, pins) {
  const i2c = mcu.i2c[number];
  let then = null;
  const alarm = mcu.clock.createAlarm(() => then());
  let written = null; // since the address
  let answer = null; // bytes to read
  let taken = 0;

  const bus = () => pins.of(FUNCTION_I2C, (n) => (n >> 1) % 2 === number);

  const hz = () => mcu.clkSys / (i2c.sclLowPeriod + i2c.sclHighPeriod);

  const after = (bits, action) => {
    then = action;
    alarm.schedule((bits * 1e9) / hz());
  };

  // The port's driver sets TX_EMPTY_CTRL, by which TX_EMPTY means that the byte has left the shift register: until then
  // it is not known whether it was acknowledged. rp2040js says it when the byte is taken from the queue.
  const setInterrupts = i2c.setInterrupts.bind(i2c);
  i2c.setInterrupts = (mask) => setInterrupts(i2c.busy ? mask & ~TX_EMPTY : mask);
  const done = () => {
    if (i2c.txFIFO.empty) i2c.setInterrupts(TX_EMPTY);
  };

  // To disable it ends what is under way. rp2040js would wait for it for ever.
  const writeUint32 = i2c.writeUint32.bind(i2c);
  i2c.writeUint32 = (offset, value) => {
    if (offset === ENABLE && !(value & 1) && i2c.busy) {
      alarm.cancel();
      i2c.state = 0; // idle
      i2c.busy = i2c.stop = i2c.pendingRestart = false;
    }
    writeUint32(offset, value);
  };

  /** The end of a message: the chip has what was written. Does it acknowledge? */
  const flush = () => {
    let acknowledged = true;
    if (written !== null && written.length) {
      const hex = Buffer.from(written).toString('hex');
      acknowledged = pins.ask(`write ${bus()} ${hex}`) === '+';
    }
    if (answer !== null) pins.ask(`took ${bus()} ${taken}`);
    written = answer = null;
    return acknowledged;
  };

  i2c.onStart = () => {
    flush();
    pins.ask('news'); // a line may be held by now
    if (bus().every((n) => pins.levels.get(n) !== 0)) i2c.completeStart();
    // else the bus is busy, for as long as the program waits
  };

  i2c.onConnect = (address, mode) => {
    after(10, () => {
      const reads = mode === 1;
      const word = pins.ask(`address ${bus()} ${address} ${reads ? 'r' : 'w'} ${Math.round(hz())}`);
      const acknowledged = word !== null && word !== '-';
      if (acknowledged && reads) {
        answer = Buffer.from(word, 'hex');
        taken = 0;
      } else if (acknowledged) {
        written = [];
      }
      i2c.completeConnect(acknowledged);
      done(); // also where nobody acknowledged and the queue was emptied, which rp2040js does not say
    });
  };

  i2c.onWriteByte = (value) => {
    after(9, () => {
      written.push(value);
      i2c.completeWrite(i2c.stop ? flush() : true);
      done();
    });
  };

  i2c.onReadByte = () => {
    after(9, () => {
      if (taken === answer.length) throw new Error(`more than ${taken} bytes are read at once`);
      i2c.completeRead(answer[taken++]);
      done();
    });
  };

  i2c.onStop = () => {
    flush();
    pins.ask(`stop ${bus()}`);
    i2c.completeStop();
  };
}

const SAMPLE_NS = 2000; // of a conversion, as in rp2040js

function attachAdc(mcu, pins) {
  let value = 0;
  const alarm = mcu.clock.createAlarm(() => mcu.adc.completeADCRead(value, false));
  mcu.adc.onADCRead = (channel) => {
    const word = pins.ask(`adc ${26 + channel}`);
    value = word === null ? mcu.adc.channelValues[channel] : Number(word);
    alarm.schedule(SAMPLE_NS);
  };
}

const LISTEN_NS = 20e6; // how often it is looked for what a UART's chip has sent
const TX_INTERRUPT = 1 << 5;

function attachUart(mcu, number, pins) {
  const uart = mcu.uart[number];
  // 0, 1, 16, 17 are UART0's, 4, 5, 8, 9 UART1's, and so on
  const wires = () => pins.of(FUNCTION_UART, (n) => n % 4 < 2 && ((n + 4) >> 3) % 2 === number);
  const byteNs = () => 1e10 / uart.baudRate; // ten bits
  const going = [];
  const coming = [];

  // "There is room for more" is an event, the end of what was sent, and can be acknowledged. To rp2040js it is a state,
  // and a program that wants to be interrupted by it does nothing else any more.
  uart.checkInterrupts = () => mcu.setInterrupt(uart.irq, !!(uart.interruptStatus & uart.interruptMask));

  const sent = mcu.clock.createAlarm(() => {
    pins.ask(`sent ${wires()} ${going.shift().toString(16).padStart(2, '0')}`);
    if (going.length) {
      sent.schedule(byteNs());
    } else {
      uart.interruptStatus |= TX_INTERRUPT;
      uart.checkInterrupts();
    }
  });
  uart.onByte = (value) => {
    going.push(value);
    if (going.length === 1) sent.schedule(byteNs());
  };

  const listen = mcu.clock.createAlarm(() => {
    if (!coming.length && uart.enabled && uart.rxEnabled && wires().length) {
      const word = pins.ask(`listen ${wires()}`);
      if (word !== null && word !== '-') coming.push(...Buffer.from(word, 'hex'));
    }
    if (coming.length) uart.feedByte(coming.shift());
    listen.schedule(coming.length ? byteNs() : LISTEN_NS);
  });
  listen.schedule(LISTEN_NS);
}

const LEAP_NS = 50e6; // at most, of the runner's steps, which take about a millisecond each

/** While the core sleeps, time leaps to what wakes it. */
function hurry(mcu, bench) {
  const { clock, core } = mcu;
  const tick = clock.tick.bind(clock);
  clock.tick = (nanos) => {
    tick(nanos);
    const end = clock.nanos + LEAP_NS;
    while (core.waiting && bench.requests !== null && clock.nanos < end) {
      const left = end - clock.nanos;
      tick(Math.min(clock.nanosToNextAlarm || left, left));
    }
  };
}

/** Called by the runner for each chip that starts. */
export function attach(mcu, folder) {
  const bench = new Bench(folder);
  const pins = new Pins(mcu, bench);
  for (const number of [0, 1]) {
    attachI2c(mcu, number, pins);
    attachUart(mcu, number, pins);
  }
  attachAdc(mcu, pins);
  hurry(mcu, bench);
  return () => bench.close();
}
