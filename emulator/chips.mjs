// Sensors on the pins of the emulated Pico: what goes over I2C, ADC, UART and pins goes to another process, which has the
// chips (sim/board/chipserver.py).
//
// `--attach chips=FOLDER`: FOLDER has two named pipes. A line to `requests` is answered by a line from `answers` (pins.mjs),
// while nothing happens here: the core stands still, so that to ask costs no emulated time. What a byte takes on the wire
// passes before its answer counts. While nobody reads `requests`, nothing is on the pins.

import { Stand, Pins } from "./pins.mjs";

export const joinsPins = true;

const FUNCTION_UART = 2;
const FUNCTION_I2C = 3;

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
      const hex = Buffer.from(written).toString("hex");
      acknowledged = pins.ask(`write ${bus()} ${hex}`) === "+";
    }
    if (answer !== null) pins.ask(`took ${bus()} ${taken}`);
    written = answer = null;
    return acknowledged;
  };

  i2c.onStart = () => {
    flush();
    pins.ask("news"); // a line may be held by now
    if (bus().every((n) => pins.levels.get(n) !== 0)) i2c.completeStart();
    // else the bus is busy, for as long as the program waits
  };

  i2c.onConnect = (address, mode) => {
    after(10, () => {
      const reads = mode === 1;
      const word = pins.ask(`address ${bus()} ${address} ${reads ? "r" : "w"} ${Math.round(hz())}`);
      const acknowledged = word !== null && word !== "-";
      if (acknowledged && reads) {
        answer = Buffer.from(word, "hex");
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

  // The end of what was sent is an event, which the program acknowledges. rp2040js makes a state of it, which raises
  // the interrupt again and again; without a chip on its wires (repairs.mjs) it raises none.
  uart.checkInterrupts = () => mcu.setInterrupt(uart.irq, !!(uart.interruptStatus & uart.interruptMask));

  const sent = mcu.clock.createAlarm(() => {
    pins.ask(`sent ${wires()} ${going.shift().toString(16).padStart(2, "0")}`);
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
      if (word !== null && word !== "-") coming.push(...Buffer.from(word, "hex"));
    }
    if (coming.length) uart.feedByte(coming.shift());
    listen.schedule(coming.length ? byteNs() : LISTEN_NS);
  });
  listen.schedule(LISTEN_NS);
}

const LEAP_NS = 50e6; // at most, of the runner's steps, which take about a millisecond each

/** While the core sleeps, time leaps to what wakes it, if it may. */
function hurry(mcu, stand) {
  const { clock, core } = mcu;
  const tick = clock.tick.bind(clock);
  clock.tick = (nanos) => {
    tick(nanos);
    const end = clock.nanos + LEAP_NS;
    while (core.waiting && stand.ahead && clock.nanos < end) {
      const left = end - clock.nanos;
      tick(Math.min(clock.nanosToNextAlarm || left, left));
    }
  };
}

/** Called by the runner for each chip that starts. */
export function attach(mcu, folder) {
  const stand = new Stand(folder);
  const pins = new Pins(mcu, stand);
  for (const number of [0, 1]) {
    attachI2c(mcu, number, pins);
    // A modem may have been there first.
    if (!mcu.uart[number].onByte) attachUart(mcu, number, pins);
  }
  attachAdc(mcu, pins);
  hurry(mcu, stand);
  return () => stand.close();
}
