// Members of `health` and `info` (docs/topics.md) in words. What has no row is shown by its own name.

import { make } from "./dom.js";
import { duration, label, signal } from "./words.js";

const bytes = (n) => (n >= 10240 ? `${Math.round(n / 1024).toLocaleString()} KB` : `${n} bytes`);
const times = (n) => `${count(n)}×`;
const count = (n) => n.toLocaleString();

const before = (seconds) => `${duration(seconds)} before`;

// words: a function of a number, or a table of texts.
export const HEALTH = {
  uptime_s: ["running for", duration],
  rssi: ["Wi-Fi signal", signal],
  outbox: ["readings not delivered yet", count],
  outbox_bytes: ["their size", bytes],
  outbox_age_s: ["age of the oldest", duration],
  in_flight: ["messages not acknowledged yet", count],
  set_aside: ["readings that the broker refuses", count],
  set_aside_why: ["why it refuses them"],
  dropped: ["readings given up for lack of room, ever", count],
  superseded: ["readings replaced by newer ones", count],
  sensor_errors: ["failed readings since the start", count],
  sensors_failing: ["sensors that fail now", count],
  failing: ["which, and how"],
  clock: ["its time is from", { ntp: "a time server (NTP)", rtc: "its clock chip", unset: "nowhere: it has none yet" }],
  clock_age_s: ["its time was set", before],
  wifi_joins: ["joined a Wi-Fi network", times],
  connects: ["connected to the broker", times],
  resent: ["messages sent again", count],
  access: ["forbidden by the broker's rules"],
  broker_limits: ["what the broker cannot do"],
  name_taken: ["another board with this name"],
  skipped: ["messages it could not use", count],
  log_dropped: ["log lines lost", count],
  recovered: ["readings found on flash at the start", count],
  corrupt: ["readings damaged on flash", count],
  outbox_errors: ["failed writes to flash", count],
  heap_free: ["free memory, Python", bytes],
  heap_low: ["least free memory, Python", bytes],
  idf_free: ["free memory, network", bytes],
  idf_block: ["largest free piece, network", bytes],
  idf_low: ["least free memory, network", bytes],
};

export const INFO = {
  version: ["firmware version"],
  micropython: ["MicroPython version"],
  hardware: ["board"],
  board: ["family of boards"],
  id: ["unique id"],
  ip: ["address"],
  reset_cause: ["why it started"],
  boot: ["number of this start", String],
  config: ["settings it runs on"],
  config_faults: ["faults of config.json"],
  slot: ["firmware image"],
  image: ["digits of the image's hash"],
  trial: ["image is on trial"],
  trial_failed: ["why another image does not run"],
  name_taken: ["another board with this name"],
  safe_mode: ["safe mode, after crashes"],
};

export function pairs(table, members) {
  const rows = { ...members };
  delete rows.crash; // it has a place of its own
  const known = Object.keys(table).filter((name) => name in rows);
  const others = Object.keys(rows).filter((name) => !(name in table));
  const told = [...known, ...others].map((name) => [table[name]?.[0] ?? label(name), said(table[name]?.[1], rows[name])]);
  return told.filter(([, text]) => text).flatMap(([title, text]) => [make("dt", {}, title), make("dd", {}, text)]);
}

function said(words, given) {
  if (typeof given === "number" && typeof words === "function") return words(given);
  if (typeof given === "string" && Object.hasOwn(words ?? {}, given)) return words[given];
  if (given === true) return "yes";
  if (given === false) return "no";
  if (Array.isArray(given)) return given.map((each) => said(null, each)).join("; ");
  if (typeof given === "object" && given !== null) {
    return Object.entries(given).map(([name, each]) => `${name}: ${said(null, each)}`).join("; ");
  }
  return String(given);
}
