// The board's USB serial port, on a TCP port of this machine. One client at a time: a new one takes the cable from the old.
//
// rp2040js's USBCDC answers each request for data at once, with an empty packet when there is none: the interrupts of that
// take most of the core's time. Here a request waits until there is something.

import net from "node:net";

const MOST = 64 * 1024; // bytes on their way to the board; beyond them the client has to wait

export class SerialPort {
  // onData(bytes): what the board prints; onArrival(): something is on its way to the board
  constructor(USBCDC, onData, onArrival) {
    this.USBCDC = USBCDC;
    this.onData = onData;
    this.onArrival = onArrival;
    this.client = null;
    this.server = net.createServer((client) => this.#accept(client));
  }

  // Returns the number of the port.
  listen(port) {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(port, "127.0.0.1", () => resolve(this.server.address().port));
    });
  }

  // Plug the cable into a chip that starts. From the chip that was before, the client hears no more, as with real USB.
  connect(mcu) {
    this.client?.destroy();
    this.queue = [];
    this.queued = 0;
    this.wanted = null; // bytes the board asked for, null: it did not
    this.usb = mcu.usbCtrl;
    this.cdc = new this.USBCDC(mcu.usbCtrl);
    this.cdc.onSerialData = (bytes) => {
      this.onData(bytes);
      this.client?.write(bytes);
    };
    const answer = mcu.usbCtrl.onEndpointRead;
    mcu.usbCtrl.onEndpointRead = (endpoint, size) => {
      if (endpoint !== this.cdc.outEndpoint) return answer(endpoint, size);
      this.wanted = size;
      this.#feed();
    };
  }

  #accept(client) {
    this.client?.destroy();
    this.client = client;
    client.setNoDelay();
    client.on("data", (bytes) => {
      if (this.client !== client) return;
      this.queue.push(bytes);
      this.queued += bytes.length;
      if (this.queued > MOST) client.pause();
      this.#feed();
      this.onArrival();
    });
    client.on("error", () => {}); // "close" follows
    client.on("close", () => {
      if (this.client === client) this.client = null;
    });
  }

  #feed() {
    if (this.wanted === null || !this.queued) return;
    const first = this.queue[0];
    const part = first.subarray(0, this.wanted);
    if (part.length === first.length) this.queue.shift();
    else this.queue[0] = first.subarray(part.length);
    this.queued -= part.length;
    this.wanted = null;
    this.usb.endpointReadDone(this.cdc.outEndpoint, part);
    if (this.queued <= MOST) this.client?.resume();
  }
}
