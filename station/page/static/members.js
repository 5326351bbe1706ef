// Members of `health` and `info` (docs/topics.md) in words. What has no row is shown by its own name.

import { make } from "./dom.js";
import { duration, label, signal } from "./words.js";

const bytes = (n) => (n >= 10240 ? `${Math.round(n / 1024).toLocaleString()} KB` : `${n} bytes`);
const times = (n) => `${count(n)}×`;
const count = (n) => n.toLocaleString();

export const HEALTH = {
  uptime_s: ["runs for", duration],
  rssi: ["signal of the Wi-Fi", signal],
  outbox: ["readings that wait", count],
  outbox_bytes: ["their size", bytes],
  outbox_age_s: ["the oldest of them", duration],
  set_aside: ["set aside", count],
  set_aside_why: ["why", String],
  dropped: ["given up, ever", count],
  superseded: ["replaced by newer ones", count],
  sensor_errors: ["failed readings", count],
  sensors_failing: ["sensors that fail", count],
  clock: ["its time is from", String],
  clock_age_s: ["set before", duration],
  wifi_joins: ["joined the Wi-Fi", times],
  connects: ["connected to the broker", times],
  heap_free: ["free memory", bytes],
  heap_low: ["the least of it", bytes],
  idf_free: ["memory beside it", bytes],
  idf_block: ["its largest piece", bytes],
  idf_low: ["the least of that", bytes],
};

export const INFO = {
  version: ["firmware", String],
  micropython: ["MicroPython", String],
  hardware: ["hardware", String],
  board: ["family", String],
  id: ["id", String],
  ip: ["address", String],
  reset_cause: ["started after", String],
  boot: ["number of this start", String],
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
  if (typeof given === "number" && words) return words(given);
  if (given === true) return "yes";
  if (given === false) return "no";
  if (Array.isArray(given)) return given.map((each) => said(null, each)).join("; ");
  if (typeof given === "object" && given !== null) {
    return Object.entries(given).map(([name, each]) => `${name}: ${said(null, each)}`).join("; ");
  }
  return String(given);
}
