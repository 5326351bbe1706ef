// The emulated Pico's way to the network, which its chip has none of: a modem on UART0, that the host is the access point of.
//
// Argument: a file; the access point is in reach while it exists. Without one it always is.
//
// A frame is four bytes: type, channel (0 to 255), a number of 16 bits, low byte first. On the board modules/modem.py speaks it.
//   board → modem   R  the board has started: no channel is open     O U  open a TCP, UDP channel to the text of so many bytes
//                   D  data of so many bytes                         C  close
//                   L  listen on the TCP port in the text of so many bytes, whose visitors come to a free port of this machine
//   modem → board   w  the access point is in reach (1) or not (0)   o  the channel is open
//                   d  data of so many bytes                         c  the channel is closed: 0, or the error number
//                   a  a visitor has come to the channel of that number that listens, and has this channel
// Only addresses of this machine's own are reached. Standard error: `port 80 is N` where one is listened on.

import dgram from "node:dgram";
import fs from "node:fs";
import net from "node:net";

const UART = 0;
const HEAD = 4;
const LAST = 255; // channel
const LONGEST = 1024; // bytes of data in one frame
const ENOUGH = 4096; // bytes on their way to the board, beyond which nothing more is read from a broker
const LOOK_MS = 100; // how often the file is looked for
const LOOPBACK = /^127\.\d+\.\d+\.\d+$/;
const ERRORS = { ECONNREFUSED: 111, ECONNRESET: 104, ETIMEDOUT: 110, EPIPE: 104 };
const EHOSTUNREACH = 113;

class Modem {
  constructor(mcu, file) {
    this.uart = mcu.uart[UART];
    this.file = file;
    this.up = null;
    this.channels = new Map();
    this.heard = Buffer.alloc(0);
    this.waiting = []; // buffers for the board
    this.bytes = 0;
    this.alarm = mcu.clock.createAlarm(() => this.#feed());
    this.uart.onByte = (byte) => this.#hear(byte);
    this.timer = setInterval(() => this.#look(), LOOK_MS);
  }

  detach() {
    clearInterval(this.timer);
    this.#closeAll();
  }

  // the board's side

  #hear(byte) {
    this.heard = Buffer.concat([this.heard, Buffer.of(byte)]);
    if (this.heard.length < HEAD) return;
    const type = String.fromCharCode(this.heard[0]);
    const end = HEAD + ("OUDL".includes(type) ? this.heard.readUInt16LE(2) : 0);
    if (this.heard.length < end) return;
    const channel = this.heard[1];
    const data = this.heard.subarray(HEAD, end);
    this.heard = Buffer.alloc(0);
    if (type === "R") this.#begin();
    else if (type === "O" || type === "U") this.#open(channel, type === "U", data.toString());
    else if (type === "L") this.#listen(channel, data.toString());
    else if (type === "D") this.channels.get(channel)?.write(data);
    else if (type === "C") this.#forget(channel);
  }

  #begin() {
    this.#closeAll();
    this.waiting = [];
    this.bytes = 0;
    this.up = null;
    this.#look();
  }

  #tell(type, channel, number, data) {
    const head = Buffer.from([type.charCodeAt(0), channel, number & 0xff, number >> 8]);
    const frame = data ? Buffer.concat([head, data]) : head;
    this.waiting.push(frame);
    this.bytes += frame.length;
    this.#feed();
  }

  // As fast as the line is: a FIFO at a time.
  #feed() {
    const fifo = this.uart.rxFIFO;
    while (this.waiting.length && !fifo.full) {
      this.uart.feedByte(this.waiting[0][0]);
      this.waiting[0] = this.waiting[0].subarray(1);
      this.bytes--;
      if (!this.waiting[0].length) this.waiting.shift();
    }
    if (this.waiting.length) this.alarm.schedule((fifo.size * 10 * 1e9) / (this.uart.baudRate || 115200));
    if (this.bytes < ENOUGH) for (const each of this.channels.values()) each.resume?.();
  }

  #arrived(channel, data) {
    for (let at = 0; at < data.length; at += LONGEST) {
      const piece = data.subarray(at, at + LONGEST);
      this.#tell("d", channel, piece.length, piece);
    }
  }

  // the network's side

  #look() {
    const up = !this.file || fs.existsSync(this.file);
    if (up === this.up) return;
    this.up = up;
    if (!up) this.#closeAll((each) => !each.isVisitor); // their peers wait in vain, the board learns it from its own deadlines
    this.#tell("w", 0, Number(up));
  }

  #open(channel, datagrams, place) {
    const [host, port] = place.split(":");
    if (!this.up) return;
    if (!LOOPBACK.test(host)) return this.#tell("c", channel, EHOSTUNREACH);
    if (datagrams) {
      const socket = dgram.createSocket("udp4");
      socket.on("message", (data) => this.#arrived(channel, data));
      socket.on("error", () => {}); // an answer that does not come
      this.channels.set(channel, {
        write: (data) => socket.send(Buffer.from(data), Number(port), host),
        close: () => socket.close(),
      });
      return;
    }
    const socket = net.connect({ host, port: Number(port), noDelay: true });
    socket.on("connect", () => this.#tell("o", channel, 0));
    this.#join(channel, socket, false);
  }

  // What a TCP socket gets goes to a channel, and what the channel gets to it.
  #join(channel, socket, isVisitor) {
    const own = { isVisitor, write: (data) => socket.write(Buffer.from(data)), close: () => socket.destroySoon(), resume: () => socket.resume() };
    const over = (number) => {
      if (this.channels.get(channel) !== own) return;
      this.channels.delete(channel);
      this.#tell("c", channel, number);
    };
    socket.on("data", (data) => {
      if (this.channels.get(channel) !== own) return; // another may have its number by now
      this.#arrived(channel, data);
      if (this.bytes >= ENOUGH) socket.pause();
    });
    socket.on("end", () => over(0));
    socket.on("error", (error) => over(ERRORS[error.code] ?? ERRORS.ECONNRESET));
    this.channels.set(channel, own);
  }

  // Its visitors get the highest channels: the board takes the lowest.
  #listen(channel, port) {
    const server = net.createServer({ noDelay: true }, (socket) => {
      let number = LAST;
      while (number && this.channels.has(number)) number--;
      if (!number) return socket.destroy();
      this.#tell("a", number, channel);
      this.#join(number, socket, true);
    });
    server.listen(0, "127.0.0.1", () => process.stderr.write(`port ${port} is ${server.address().port}\n`));
    this.channels.set(channel, { isVisitor: true, write: () => {}, close: () => server.close() });
  }

  #forget(channel) {
    this.channels.get(channel)?.close();
    this.channels.delete(channel);
  }

  #closeAll(which = () => true) {
    for (const [channel, each] of [...this.channels]) if (which(each)) this.#forget(channel);
  }
}

export function attach(mcu, file) {
  const modem = new Modem(mcu, file);
  return () => modem.detach();
}
