// Numbers, times and how long ago, in words.

export const about = { quantities: {}, broker: {}, ahead: 0 };

// The station's clock: readings are judged by it, whatever the clock of this device says.
export function now() {
  return Date.now() + about.ahead;
}

export function value(quantity, given) {
  if (given === true) return "yes";
  if (given === false) return "no";
  if (typeof given !== "number") return String(given);
  const { unit = "", decimals = 3 } = about.quantities[quantity] ?? {};
  const digits = Number.isInteger(given) && !about.quantities[quantity] ? 0 : decimals;
  const text = given.toLocaleString(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return unit ? `${text}\u202f${unit}` : text;
}

export const signal = (dbm) => `${String(dbm).replace("-", "−")}\u202fdBm`;

export const count = (n, of) => `${n.toLocaleString()} ${of}${n === 1 ? "" : "s"}`;

export const label = (name) => name.replaceAll("_", " ");

// How a state of a node looks; others are neither good nor bad.
export const STATES = { online: "good", silent: "grave", offline: "grave" };

const _UNITS = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
];

export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  for (const [index, [size, name]] of _UNITS.entries()) {
    if (s < size) continue;
    const whole = Math.floor(s / size);
    const [less, small] = _UNITS[index + 1] ?? [1, ""];
    const rest = Math.floor((s - whole * size) / less);
    return whole < 10 && rest && small !== "s" && small ? `${whole} ${name} ${rest} ${small}` : `${whole} ${name}`;
  }
  return "0 s";
}

export function ago(ms) {
  if (ms === null || ms === undefined) return "never";
  const passed = (now() - ms) / 1000;
  return passed < -60 ? `in ${duration(-passed)}` : passed < 1.5 ? "now" : `${duration(passed)} ago`;
}

const _FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const _SHORT = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const time = (ms) => _FULL.format(ms);
export const clock = (ms) => _SHORT.format(ms);
export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

const _AXES = [
  [60_000, { hour: "2-digit", minute: "2-digit", second: "2-digit" }],
  [20 * 3_600_000, { hour: "2-digit", minute: "2-digit" }],
  [25 * 86_400_000, { day: "numeric", month: "short" }],
  [Infinity, { month: "short", year: "2-digit" }],
].map(([below, options]) => [below, new Intl.DateTimeFormat(undefined, options)]);
const _DAY = _AXES[2][1];

// The longest that may stand there: some languages add "PM".
export const AXIS_SAMPLES = _AXES.map(([, format]) => format.format(new Date(2026, 11, 28, 22, 48, 48)));

// What stands below the marks of a plot: as fine as they are apart. Midnight has its date.
export function axis(splits) {
  const apart = splits.length > 1 ? splits[1] - splits[0] : 0;
  const [, format] = _AXES.find(([below]) => apart < below);
  return splits.map((ms) => {
    const date = new Date(ms);
    const midnight = date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0;
    return midnight && apart < 20 * 3_600_000 ? _DAY.format(ms) : format.format(ms);
  });
}
