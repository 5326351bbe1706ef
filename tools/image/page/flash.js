// Writes the file beside this page onto an ESP32 by Web Serial, with esptool-js, and shows what the board then says.
//
// firmware.json (tools/image/webpage.py) says which file, for which chip, and where it goes. The file is fetched and its hash compared before
// the button is there; the chip and its flash are looked at before anything is written; the board compares an MD5 at the end.
//
// One section of the page is shown at a time: begin, confirm, writing, after. A fault leads back to the first. Its text is that of a Told;
// any other error is put into words by `worded`.

import { BUSY, LOST, Line, Told, choose, close, sleep } from "./port.js";

const BAUD = 115200; // of the boot ROM, and of MicroPython
const FAST = 460800; // while it is written
const ATTEMPTS = 4; // to reset the board and be answered: 3 s
const SILENT_MS = 90_000; // the node says its network again every 60 s
const KEPT = 30_000; // characters of what the board says
// firmware/provisioning/portal.py prints it
const NODE = /join the Wi-Fi network (.+?), password (\S+), and open (http:\/\/[\w.:]+\/)/g;
const SECTIONS = ["begin", "confirm", "writing", "after"];

const NO_ANSWER =
  "The board does not answer as a boot loader. Hold its BOOT button (on some boards 0, IO0 or FLASH), press and let go of EN or RESET, let go of " +
  "BOOT, and press Connect. If it has no such buttons, unplug it, hold BOOT while you plug it in, and press Connect.";
const LOST_BEFORE = "The board's port is gone: was the cable pulled out? Nothing was written. Plug it in, and press Connect.";
const UNFINISHED = "What is on the board is not whole now, but the board is not damaged. Try another cable or port, and press Connect to write it again.";

const element = (id) => document.getElementById(id);
const megabytes = (bytes) => `${bytes / 1048576} MB`;

let about; // firmware.json
let data; // the file
let esptool; // esptool-js
let line; // the board's port while it is open
let loader; // the board's boot loader, once it has answered
let isWriting = false;

// ---- what is on the page

function show(section, status = "") {
  for (const id of SECTIONS) element(id).hidden = id !== section;
  element("fault").textContent = "";
  element("status").textContent = status;
  isWriting = section === "writing";
}

// The reader's place, with keyboard or screen reader, goes along with the section.
function go(section, status) {
  show(section, status);
  element(`${section}-title`).focus();
}

function fail(section, error) {
  const text = worded(error);
  show(section);
  element("fault").textContent = text;
}

function worded(error) {
  if (error.message === LOST && !isWriting) return LOST_BEFORE;
  if (error instanceof Told) return error.message;
  return isWriting ? `Writing failed (${error.message}). ${UNFINISHED}` : `That did not work (${error.message}). Nothing was written. Press Connect to try it again.`;
}

let said = "";

function say(text) {
  const log = element("log");
  const follows = log.scrollTop + log.clientHeight >= log.scrollHeight - 20;
  said = (said + text).slice(-KEPT);
  log.textContent = said;
  element("more").hidden = false;
  if (follows) log.scrollTop = log.scrollHeight;
}

function progress(part) {
  const percent = Math.floor(part * 100);
  element("bar").value = percent;
  element("percent").textContent = `${percent} %`;
  // A screen reader reads each: not every percent.
  const quarter = percent - (percent % 25);
  const text = percent === 100 ? "Written. The board compares it." : quarter ? `${quarter} % written.` : "Writing.";
  if (element("status").textContent !== text) element("status").textContent = text;
}

// ---- the file

async function fetched(name) {
  let answer;
  try {
    answer = await fetch(name, { cache: "no-cache" });
  } catch {
    throw new Told(`${name} cannot be loaded: the web server does not answer. Load this page again.`);
  }
  if (!answer.ok) {
    throw new Told(`${name} is missing beside this page (${answer.status}). Copy the whole folder to the web server, and load this page again.`);
  }
  return answer;
}

async function prepare() {
  if (!isSecureContext) {
    throw new Told("Browsers let a page reach a serial port only if it came by https, or by http from localhost. Open it so.");
  }
  if (!navigator.serial) {
    throw new Told("This browser cannot reach a serial port (Web Serial). Open this page with Chrome or Edge on a computer; most others cannot do it.");
  }
  try {
    about = await (await fetched("firmware.json")).json();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Told("firmware.json is damaged. Copy the whole folder to the web server again, and load this page again.");
  }
  document.title = `Put Outpost on an ${about.chip}`;
  element("chip").textContent = about.chip;
  element("about").textContent = `Outpost ${about.version} and ${about.micropython}, for an ${about.chip} with ${about.psram ? "PSRAM and " : ""}${megabytes(about.flash)} of flash.`;
  try {
    esptool = await import("./esptool-js.js");
  } catch {
    throw new Told("esptool-js.js is missing beside this page, or damaged. Copy the whole folder to the web server, and load this page again.");
  }
  data = new Uint8Array(await (await fetched(about.file)).arrayBuffer());
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  if (Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") !== about.sha256) {
    data = undefined;
    throw new Told(`${about.file} is damaged: it has not the SHA-256 that firmware.json says. Nothing can be written. Copy the file to the web server again, and load this page again.`);
  }
}

// Give the port back. It may be gone already, or hang in the system: not for longer than a moment.
async function release() {
  const last = line;
  const transport = loader?.transport;
  line = loader = undefined;
  if (last) await Promise.race([close(last, transport), sleep(2000)]);
}

// ---- the four steps

async function connect() {
  show("begin");
  line = await choose();
  show("begin", "Connecting.");
  said = "";
  await line.during(start());
  const size = await line.during(loader.detectFlashSize());
  const flash = size && loader.flashSizeBytes(size); // none: a flash that esptool-js does not know
  if (flash && flash < about.flash) {
    throw new Told(`This board has ${megabytes(flash)} of flash, and ${about.file} needs ${megabytes(about.flash)}. Nothing was written.`);
  }
  element("board").textContent =
    `The board has an ${loader.chip.CHIP_NAME}${flash ? ` and ${megabytes(flash)} of flash` : ""}. It gets Outpost ${about.version} and ${about.micropython}.`;
  go("confirm");
  line.gone.catch((error) => {
    if (!element("confirm").hidden) attempt(() => Promise.reject(error));
  });
}

// A busy computer may be late for the 0.2 s in which esptool-js wants an answer: it gets a second chance.
async function start() {
  try {
    await bring();
  } catch (error) {
    if (!(error instanceof esptool.ESPError)) throw error;
    await Promise.race([loader.transport.disconnect(), sleep(2000)]);
    await bring();
  }
}

// Bring the board into its boot loader, see that it is the right one, and give it what esptool writes with. Nothing of its flash is changed.
async function bring() {
  const terminal = { clean() {}, write: say, writeLine: (text) => say(`${text}\n`) };
  const transport = new esptool.Transport(line);
  loader = new esptool.ESPLoader({ transport, baudrate: FAST, romBaudrate: BAUD, terminal });
  await identify();
  if (loader.secureDownloadMode) {
    throw new Told("This board is locked (secure download mode): what is on it cannot be replaced from here. Nothing was written.");
  }
  const found = loader.chip.CHIP_NAME;
  if (found !== about.chip) {
    throw new Told(`This board has an ${found}, and ${about.file} is for an ${about.chip}. Nothing was written. Take the file for the ${found}, or another board.`);
  }
  await loader.chip.postConnect?.(loader);
  await loader.runStub();
  await loader.changeBaud();
}

async function identify() {
  try {
    await loader.detectChip("default_reset", ATTEMPTS);
  } catch (error) {
    if (error instanceof esptool.UnexpectedChipIdError || error instanceof esptool.UnexpectedChipMagicError) {
      throw new Told(`This board's chip is not known here, and ${about.file} is for an ${about.chip}. Nothing was written.`);
    }
    if (error instanceof esptool.ESPError) throw new Told(NO_ANSWER);
    throw error;
  }
}

async function write() {
  // While the question stood there the board may have been reset, by a watchdog or a hand.
  if (!(await line.during(loader.isResponsive()))) {
    element("status").textContent = "Connecting again.";
    await line.during(loader.transport.disconnect());
    await line.during(start());
  }
  go("writing", "Writing.");
  progress(0);
  await line.during(
    loader.writeFlash({
      fileArray: [{ data, address: about.offset }],
      flashSize: "keep",
      flashMode: "keep",
      flashFreq: "keep",
      eraseAll: false,
      compress: true,
      calculateMD5Hash: () => about.md5, // which firmware.json has: a browser can do no MD5
      reportProgress: (_, done, total) => progress(done / total),
    }),
  );
  isWriting = false;
  await line.during(loader.transport.disconnect());
  loader = undefined;
  go("after", "Written, and compared by the board: it has all of it. The board starts.");
  listen();
}

// Start the board, and show what it says until its port is gone or given back.
async function listen() {
  const mine = line;
  element("wait").hidden = false;
  element("node").hidden = true;
  element("port").hidden = true;
  said = "";
  const silence = setTimeout(() => {
    element("status").textContent =
      "The board has not said its network yet. Press its EN or RESET button, and look below at what it says. With an official MicroPython an ESP32 needs PSRAM.";
    element("more").open = true;
    element("port").hidden = false;
  }, SILENT_MS);
  try {
    await mine.open({ baudRate: BAUD });
    await mine.during(mine.restart());
    mine.reading = read(mine, () => clearTimeout(silence)).catch((error) => error);
    const error = await mine.during(mine.reading);
    if (error) throw error;
  } catch (error) {
    if (line !== mine) return; // it was given back
    await release();
    element("port").hidden = false;
    element("status").textContent =
      error.message === BUSY ? BUSY : "The port is gone. A board with its chip's own USB does that when it starts: choose the port again to see what the board says.";
  } finally {
    clearTimeout(silence);
  }
}

async function read(mine, heard) {
  const decoder = new TextDecoder();
  while (mine.readable) {
    mine.reader = mine.readable.getReader();
    try {
      for (;;) {
        const { value, done } = await mine.reader.read();
        if (done) return;
        say(decoder.decode(value, { stream: true }));
        const found = [...said.matchAll(NODE)].pop();
        if (found) {
          heard();
          tell(found);
        }
      }
    } catch (error) {
      // A byte that was lost or garbled, as while a board starts: the stream goes on with another reader.
      if (!["BufferOverrunError", "FramingError", "BreakError", "ParityError"].includes(error.name)) throw error;
    } finally {
      mine.reader.releaseLock();
    }
  }
}

function tell([, ssid, password, address]) {
  const text = "The board is ready: join its network.";
  element("ssid").textContent = ssid;
  element("password").textContent = password;
  element("address").textContent = address;
  element("wait").hidden = true;
  element("node").hidden = false;
  if (element("status").textContent !== text) element("status").textContent = text;
}

// ---- buttons

let isBusy = false;

// A button does nothing while another one works.
function press(id, work) {
  element(id).addEventListener("click", async () => {
    if (isBusy) return;
    isBusy = true;
    try {
      await work();
    } finally {
      isBusy = false;
    }
  });
}

async function attempt(work) {
  const button = element("connect");
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    fail("begin", error);
    await release();
    button.disabled = false;
    button.focus();
  } finally {
    button.disabled = false;
  }
}

press("connect", () => attempt(connect));
press("write", () => attempt(write));
press("cancel", async () => {
  await line.restart().catch(() => {});
  await release();
  go("begin", "Cancelled. Nothing was written.");
});
press("port", async () => {
  await release();
  try {
    line = await choose();
  } catch (error) {
    element("status").textContent = worded(error);
    return;
  }
  listen();
});
press("another", async () => {
  await release();
  go("begin");
});

addEventListener("beforeunload", (event) => {
  if (isWriting) event.preventDefault();
});

show("", "Loading.");
try {
  await prepare();
  show("begin");
} catch (error) {
  fail("", error);
}
