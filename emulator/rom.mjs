// A stand-in for the RP2040's boot ROM, which is not ours to hand out: the table of functions that firmware looks up in it.
//
// The 16 KB image holds the tables; each function is an address in it, and when the core comes to one, `call` does the work
// here and goes back to the caller. What MicroPython never calls (trigonometry, for one) is an error that says its name.
// Single precision is as the ROM has it: rounded to nearest, subnormal numbers are zero.
// Source: RP2040 data sheet, 2.8.3 (contents of the boot ROM); pico-sdk, bootrom_constants.h and sf_table.h.

const LOOKUP = 0x100; // the first function, then one every 4 bytes
const FLASH_START = 0x10000000;
const RAM_START = 0x20000000;

const view = new DataView(new ArrayBuffer(8));

function toFloat(bits) {
  view.setUint32(0, (bits & 0x7f800000) === 0 ? bits & 0x80000000 : bits);
  return view.getFloat32(0);
}

function fromFloat(value) {
  view.setFloat32(0, value);
  const bits = view.getUint32(0);
  return (bits & 0x7f800000) === 0 ? bits & 0x80000000 : bits;
}

function toDouble(low, high) {
  view.setUint32(0, high);
  view.setUint32(4, low);
  return view.getFloat64(0);
}

function integer(value, least, most) {
  return Number.isNaN(value) ? most : Math.min(Math.max(Math.floor(value), least), most);
}

const signed = (value) => integer(value, -0x80000000, 0x7fffffff);
const unsigned = (value) => integer(value, 0, 0xffffffff);
const unsigned64 = (value) =>
  value >= 2 ** 64 || Number.isNaN(value) ? 2n ** 64n - 1n : BigInt(Math.max(Math.floor(value), 0));
const signed64 = (value) =>
  value >= 2 ** 63 || Number.isNaN(value) ? 2n ** 63n - 1n : value < -(2 ** 63) ? -(2n ** 63n) : BigInt(Math.floor(value));

// Both precisions have the same table (sf_table.h): a function's place in it is its offset / 4.
const ARITHMETIC = {
  0: (a, b) => a + b,
  1: (a, b) => a - b,
  2: (a, b) => a * b,
  3: (a, b) => a / b,
  6: (a) => Math.sqrt(a),
};
const TO_INTEGER = { 7: signed, 9: unsigned };
const TO_INTEGER64 = { 27: signed64, 29: unsigned64 };
const FROM_INTEGER = { 11: (bits) => bits | 0, 13: (bits) => bits >>> 0 };
const FROM_INTEGER64 = {
  23: (bits) => Number(BigInt.asIntN(64, bits)),
  25: (bits) => Number(BigInt.asUintN(64, bits)),
};
const CONVERT = 31; // to the other precision
const TABLE_SIZE = 32;

export class BootROM {
  // flash: see flash.mjs; onBootLoader(): the firmware wants to become a USB drive.
  constructor(mcu, flash, onBootLoader) {
    this.mcu = mcu;
    this.registers = mcu.core.registers;
    this.functions = [];
    this.image = new Uint8Array(16 * 1024);
    this.flash = flash;
    this.onBootLoader = onBootLoader;
    this.#build();
  }

  // The core is at an address in the ROM: do what is there and return to the caller.
  call() {
    const { core } = this.mcu;
    const run = this.functions[(core.PC - LOOKUP) >> 2];
    if (!run) throw new Error(`the boot ROM has nothing at 0x${core.PC.toString(16)}`);
    run();
    core.PC = core.LR & ~1;
  }

  #build() {
    const { image, registers: r } = this;
    const words = new DataView(image.buffer);
    words.setUint32(0, RAM_START + 0x42000, true); // reset: stack, and straight into the flash's second stage,
    words.setUint32(4, FLASH_START | 1, true); // which sets up the flash and goes to the firmware
    image.set([0x4d, 0x75, 0x01, 0x03], 0x10); // "Mu", 1, version 3: that of the B2 chips

    // The lookup itself must be the first: r0 a table, r1 a code; r0 becomes its value, or 0.
    const lookup = this.#function(() => {
      for (let at = r[0]; ; at += 4) {
        const code = this.mcu.readUint16(at);
        if (code === 0 || code === (r[1] & 0xffff)) {
          r[0] = code && this.mcu.readUint16(at + 2);
          return;
        }
      }
    });
    const nothing = () => {};
    const functions = {
      P3: () => (r[0] = popcount(r[0])),
      R3: () => (r[0] = reverse(r[0])),
      L3: () => (r[0] = Math.clz32(r[0])),
      T3: () => (r[0] = r[0] ? 31 - Math.clz32(r[0] & -r[0]) : 32),
      MS: () => this.#fill(r[0], r[1] & 0xff, r[2]),
      S4: () => this.#fill(r[0], r[1] & 0xff, r[2]),
      MC: () => this.#copy(r[0], r[1], r[2]),
      C4: () => this.#copy(r[0], r[1], r[2]),
      UB: () => this.onBootLoader(),
      IF: nothing, // connect the flash, leave and enter its memory-mapped mode, flush its cache: there is none
      EX: nothing,
      FC: nothing,
      CX: nothing,
      RE: () => this.flash.erase(r[0], r[1]),
      RP: () => this.flash.program(r[0], Uint8Array.from({ length: r[2] }, (_, i) => this.mcu.readUint8(r[1] + i))),
    };
    const functionTable = Object.entries(functions).map(([code, run]) => [code, this.#function(run)]);
    // [name, addresses]: the byte before a table tells how many entries it has
    const dataTable = [
      ["SF", this.#floatTable("SF", this.#single())],
      ["SD", this.#floatTable("SD", this.#double())],
    ];

    let at = 0x400;
    const place = (table) => {
      const start = at;
      for (const [code, value] of table) {
        image.set([code.charCodeAt(0), code.charCodeAt(1)], at);
        words.setUint16(at + 2, value, true);
        at += 4;
      }
      at += 4; // a zero ends it
      return start;
    };
    at += 4;
    const placed = dataTable.map(([code, addresses]) => {
      image[at - 2] = addresses.length;
      const start = at;
      for (const address of addresses) {
        words.setUint32(at, address, true);
        at += 4;
      }
      at += 4;
      return [code, start];
    });
    words.setUint16(0x14, place(functionTable), true);
    words.setUint16(0x16, place(placed), true);
    words.setUint16(0x18, lookup, true);
  }

  // Address of a function, odd as Thumb code's are.
  #function(run) {
    this.functions.push(run);
    return (LOOKUP + 4 * (this.functions.length - 1)) | 1;
  }

  #floatTable(name, functions) {
    return Array.from({ length: TABLE_SIZE }, (_, number) =>
      this.#function(
        functions[number] ??
          (() => {
            throw new Error(`the boot ROM's ${name}[0x${(4 * number).toString(16)}] is not in this stand-in`);
          }),
      ),
    );
  }

  #single() {
    const r = this.registers;
    const table = {
      [CONVERT]: () => this.#returnDouble(toFloat(r[0])),
    };
    for (const [at, calculate] of Object.entries(ARITHMETIC))
      table[at] = () => (r[0] = fromFloat(calculate(toFloat(r[0]), toFloat(r[1]))));
    for (const [at, convert] of Object.entries(TO_INTEGER)) table[at] = () => (r[0] = convert(toFloat(r[0])));
    for (const [at, convert] of Object.entries(FROM_INTEGER)) table[at] = () => (r[0] = fromFloat(convert(r[0])));
    for (const [at, convert] of Object.entries(TO_INTEGER64)) table[at] = () => this.#return64(convert(toFloat(r[0])));
    for (const [at, convert] of Object.entries(FROM_INTEGER64))
      table[at] = () => (r[0] = fromFloat(convert(this.#take64())));
    return table;
  }

  #double() {
    const r = this.registers;
    const first = () => toDouble(r[0], r[1]);
    const table = {
      [CONVERT]: () => (r[0] = fromFloat(first())),
    };
    for (const [at, calculate] of Object.entries(ARITHMETIC))
      table[at] = () => this.#returnDouble(calculate(first(), toDouble(r[2], r[3])));
    for (const [at, convert] of Object.entries(TO_INTEGER)) table[at] = () => (r[0] = convert(first()));
    for (const [at, convert] of Object.entries(FROM_INTEGER)) table[at] = () => this.#returnDouble(convert(r[0]));
    for (const [at, convert] of Object.entries(TO_INTEGER64)) table[at] = () => this.#return64(convert(first()));
    for (const [at, convert] of Object.entries(FROM_INTEGER64))
      table[at] = () => this.#returnDouble(convert(this.#take64()));
    return table;
  }

  #returnDouble(value) {
    view.setFloat64(0, value);
    this.registers[1] = view.getUint32(0);
    this.registers[0] = view.getUint32(4);
  }

  #take64() {
    return (BigInt(this.registers[1]) << 32n) | BigInt(this.registers[0]);
  }

  #return64(value) {
    this.registers[0] = Number(value & 0xffffffffn);
    this.registers[1] = Number((value >> 32n) & 0xffffffffn);
  }

  // The bytes of RAM at an address, null if they are not all there.
  #ram(address, size) {
    const start = address - RAM_START;
    return start >= 0 && start + size <= this.mcu.sram.length ? this.mcu.sram.subarray(start, start + size) : null;
  }

  #fill(address, value, size) {
    const ram = this.#ram(address, size);
    if (ram) ram.fill(value);
    else for (let i = 0; i < size; i++) this.mcu.writeUint8(address + i, value);
  }

  #copy(to, from, size) {
    const ram = this.#ram(to, size);
    const offset = from - FLASH_START;
    const inFlash = offset >= 0 && offset + size <= this.mcu.flash.length;
    const source = inFlash ? this.mcu.flash.subarray(offset, offset + size) : this.#ram(from, size);
    if (ram && source) ram.set(source);
    else for (let i = 0; i < size; i++) this.mcu.writeUint8(to + i, this.mcu.readUint8(from + i));
  }
}

function popcount(bits) {
  let count = 0;
  for (; bits; bits &= bits - 1) count++;
  return count;
}

function reverse(bits) {
  let result = 0;
  for (let i = 0; i < 32; i++) result = (result << 1) | ((bits >>> i) & 1);
  return result;
}
