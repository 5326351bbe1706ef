// The board's flash: 2 MB in a file. Every erase and program is in the file before the firmware goes on, so that killing
// the process is a power cut between two operations, or, if asked for, in the middle of one.

import fs from "node:fs";

export const SIZE = 2 * 1024 * 1024;
const WINDOW = 16 * 1024 * 1024; // the address space it is seen in
const READ_UNIQUE_ID = 0x4b;
const DUMMY = 4; // bytes between that command and its answer
const SSI = 0x18000;
const SSI_DATA = 0x60;

export class Flash {
  // path: made if it is not there; firmware: bytes that go to its beginning; id: 8 bytes;
  // cut: the power fails in the middle of the operation of that number (0: never)
  constructor(path, firmware, id, cut) {
    this.bytes = new Uint8Array(WINDOW).fill(0xff);
    this.id = id;
    this.cut = cut;
    this.operations = 0; // how many there were since power-on
    if (!fs.existsSync(path)) {
      const created = `${path}.${process.pid}`;
      fs.writeFileSync(created, this.bytes.subarray(0, SIZE));
      fs.renameSync(created, path);
    }
    const was = fs.readFileSync(path);
    if (was.length !== SIZE) throw new Error(`${path} has ${was.length} bytes, the image of a Pico's flash has ${SIZE}`);
    this.bytes.set(was);
    this.bytes.set(firmware);
    this.file = fs.openSync(path, "r+");
    fs.writeSync(this.file, firmware, 0, firmware.length, 0);
  }

  // Make a chip read this flash, and get its id from it.
  connect(mcu) {
    mcu.flash = this.bytes;
    mcu.flash16 = new Uint16Array(this.bytes.buffer);
    mcu.flashView = new DataView(this.bytes.buffer);
    const ssi = mcu.peripherals[SSI];
    const write = ssi.writeUint32.bind(ssi);
    let at = -1; // position in the command that reads the id, -1: in no command
    ssi.writeUint32 = (offset, value) => {
      write(offset, value);
      if (offset !== SSI_DATA) return;
      if (at >= 0) at++;
      else if (value === READ_UNIQUE_ID) at = 0;
      if (at > DUMMY) ssi.dr0 = this.id[at - DUMMY - 1];
      if (at === DUMMY + this.id.length) at = -1;
    };
  }

  erase(offset, count) {
    this.#change(offset, count, (bytes) => bytes.fill(0xff));
  }

  program(offset, data) {
    this.#change(offset, data.length, (bytes) => bytes.forEach((was, i) => (bytes[i] = was & data[i])));
  }

  #change(offset, count, change) {
    if (offset + count > SIZE) throw new Error(`flash: 0x${offset.toString(16)} + ${count} is beyond its end`);
    this.operations++;
    const failing = this.operations === this.cut;
    const done = failing ? count >> 1 : count;
    change(this.bytes.subarray(offset, offset + done));
    fs.writeSync(this.file, this.bytes, offset, done, offset);
    if (failing) process.kill(process.pid, "SIGKILL");
  }
}
