// A board's serial port, as Web Serial has it, with words for what happens to it: in use, not chosen, the cable pulled out.

export const LOST =
  "The board's port is gone: was the cable pulled out? What is on the board is not whole now, but the board is not damaged. " +
  "Plug it in, and press Connect to write it again.";
export const BUSY =
  "The port cannot be opened. Another program may have it: close serial terminals, IDEs, and other tabs with this page. On Linux you need to be in the " +
  "group that has serial ports: sudo usermod -aG dialout $USER, then log in again.";
const NO_PORT =
  "No port was chosen, so nothing happened. Press Connect again; if the list is empty, see below what helps.";

// An error whose text is for the reader.
export class Told extends Error {}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// A serial port, for esptool-js and for reading. Once the cable was out nothing reaches it any more, also not what still tries to.
export class Line {
  constructor(port) {
    this.port = port;
    this.isLost = false;
    this.gone = new Promise((_, reject) => {
      port.addEventListener(
        "disconnect",
        () => {
          this.isLost = true;
          reject(new Told(LOST));
        },
        { once: true },
      );
    });
    this.gone.catch(() => {});
  }

  get readable() {
    return this.isLost ? null : this.port.readable;
  }

  get writable() {
    if (this.isLost) throw new Told(LOST);
    return this.port.writable;
  }

  getInfo() {
    return this.port.getInfo();
  }

  async open(options) {
    try {
      await this.port.open(options);
    } catch {
      throw new Told(this.isLost ? LOST : BUSY);
    }
  }

  close() {
    return this.port.close();
  }

  setSignals(signals) {
    return this.port.setSignals(signals);
  }

  // What a promise gives, unless the cable comes out first.
  during(promise) {
    promise.catch(() => {});
    return Promise.race([promise, this.gone]);
  }

  // EN low, then high with IO0 high: the board starts what is in its flash.
  async restart() {
    await this.setSignals({ dataTerminalReady: false, requestToSend: true });
    await sleep(100);
    await this.setSignals({ dataTerminalReady: false, requestToSend: false });
  }
}

export async function choose() {
  try {
    return new Line(await navigator.serial.requestPort());
  } catch (error) {
    throw new Told(error.name === "NotFoundError" ? NO_PORT : `The browser gives no serial port: ${error.message}`);
  }
}

// Close a port, with what reads from it: esptool-js if it has it (its transport), else we.
export async function close(last, transport) {
  if (transport) {
    await transport.disconnect().catch(() => {});
  } else if (last.reading) {
    await last.reader?.cancel().catch(() => {});
    await last.reading;
  }
  await last.close().catch(() => {}); // one that is lost has to be closed, too, before it can be opened again
}
