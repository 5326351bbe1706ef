// One plot. The line is broken where readings are missing, and that time is shaded: nothing is drawn that was not measured.

import { get } from "./api.js";
import { fill, make, setText } from "./dom.js";
import { about, axis, AXIS_SAMPLES, count, label, time, value } from "./words.js";

const _HEIGHT = 190;
const _MOST_POINTS = 1000;
const _FONT = "12px system-ui, sans-serif";
const _SOONEST_MS = 2000; // between two loads of what has grown
const _ROWS = 1000; // of the table

const _KEYS = {
  ArrowLeft: (all) => all.pan(-0.2),
  ArrowRight: (all) => all.pan(0.2),
  "+": (all) => all.zoom(0.5),
  "=": (all) => all.zoom(0.5),
  "-": (all) => all.zoom(2),
  End: (all) => all.toNow(),
};

export class Plot {
  // all: the Plots, which says from when to when; isYesNo: its values are true or false
  constructor(all, channel, quantity, key, isYesNo) {
    Object.assign(this, { all, channel, quantity, key, isYesNo });
    this.visible = this.old = false;
    this.loadedAt = 0;
    this.data = null;
    this.chart = null;
    const { unit = "" } = about.quantities[quantity] ?? {};
    this.read = make("p", { class: "dim read" });
    this.note = make("p", { class: "dim", hidden: true });
    this.none = make("p", { class: "dim none", hidden: true }, "no readings in this time");
    this.canvas = make("div");
    this.area = make("div", { class: "area", tabIndex: 0, role: "img" }, this.canvas, this.none);
    this.area.addEventListener("keydown", (event) => {
      const does = _KEYS[event.key];
      if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      does(this.all);
    });
    this.rows = make("tbody");
    this.table = make(
      "details",
      { ontoggle: () => this.list() },
      make("summary", {}, "As a table"),
      make(
        "div",
        { class: "rows", tabIndex: 0 },
        make("table", {}, make("thead", {}, make("tr", {}, ...["Time", "Mean", "Least", "Most", "Late"].map((text, at) => make("th", { scope: "col", class: at ? "num" : "" }, text)))), this.rows),
      ),
    );
    const title = make("h3", {}, `${channel} `, make("span", { class: "dim" }, label(quantity) + (unit ? `, ${unit}` : "")));
    this.element = make("div", { class: "plot card" }, make("div", { class: "title" }, title, this.read), this.area, this.note, this.table);
    this.element.plot = this;
    this.sizes = new ResizeObserver(() => this.chart?.setSize({ width: this.width(), height: _HEIGHT }));
    this.sizes.observe(this.area);
  }

  close() {
    this.sizes.disconnect();
    this.asking?.abort();
    this.chart?.destroy();
    this.chart = null;
  }

  width() {
    return Math.max(200, Math.floor(this.area.clientWidth));
  }

  see(is) {
    this.visible = is;
    if (is && (this.old || !this.data)) this.load();
  }

  stale() {
    this.old = true;
  }

  // The time has gone on: what is new is loaded now and then, as the plot can show it.
  tick() {
    this.slide();
    const point = (this.all.end - this.all.begin) / this.width();
    if (this.old && this.visible && Date.now() - this.loadedAt > Math.max(_SOONEST_MS, Math.min(point, 60_000))) this.load();
  }

  slide() {
    this.chart?.setScale("x", { min: this.all.begin, max: this.all.end });
  }

  async load() {
    if (!this.visible) {
      this.old = true;
      return;
    }
    this.asking?.abort();
    this.asking = new AbortController();
    this.old = false;
    this.loadedAt = Date.now();
    const { begin, end } = this.all;
    try {
      const points = Math.min(this.width(), _MOST_POINTS);
      // To the end of this second and a little more, so that what is new is there.
      this.data = await get("series", { node: this.all.node, channel: this.channel, quantity: this.quantity, begin, end: end + 1000, points }, this.asking.signal);
      this.draw();
    } catch (error) {
      this.all.failed(error);
    }
  }

  draw() {
    const { points, untimed } = this.data;
    const columns = [0, 1, 3, 2].map((at) => points.map((point) => point[at]));
    columns.push(points.map((point) => (point[4] ? point[2] : null)));
    if (this.chart) this.chart.setData(columns, false);
    else this.make(columns);
    this.slide();
    this.chart.redraw();
    const drawn = points.filter((point) => point[2] !== null);
    this.none.hidden = drawn.length > 0 || this.data.errors.length > 0;
    this.note.hidden = !untimed;
    setText(this.note, `${count(untimed, "reading")} of ${this.channel} without a time: not drawn.`);
    this.area.setAttribute("aria-label", this.words(drawn));
    this.newest = drawn.at(-1);
    this.tell(null);
    this.list();
  }

  words(drawn) {
    const { gaps, errors } = this.data;
    const name = `${label(this.quantity)} of ${this.channel}, ${time(this.all.begin)} to ${time(this.all.end)}`;
    if (!drawn.length) return `${name}: no readings`;
    const say = (given) => value(this.quantity, given);
    const least = Math.min(...drawn.map((point) => point[1]));
    const most = Math.max(...drawn.map((point) => point[3]));
    const late = drawn.reduce((sum, point) => sum + point[4], 0);
    return `${name}: from ${say(least)} to ${say(most)}, last ${say(drawn.at(-1)[2])}; ${count(gaps.length, "gap")}, ${late} late, ${count(errors.length, "failure")}`;
  }

  // at: index of a point, null: none is pointed at
  tell(at) {
    const point = at === null ? this.newest : this.data.points[at];
    if (!point || point[2] === null) return setText(this.read, "");
    const [ts, least, mean, most, late] = point;
    const words = this.isYesNo && (mean === 0 || mean === 1) ? value(this.quantity, mean === 1) : value(this.quantity, mean);
    const spread = least < most ? ` (${value(this.quantity, least)} to ${value(this.quantity, most)})` : "";
    setText(this.read, `${at === null ? "" : time(ts) + "  "}${words}${spread}${late ? ", late" : ""}`);
  }

  list() {
    if (!this.table.open || !this.data) return;
    const cell = (text) => make("td", { class: "num" }, text);
    const rows = this.data.points
      .filter((point) => point[2] !== null)
      .slice(-_ROWS)
      .reverse()
      .map(([ts, least, mean, most, late]) => make("tr", {}, make("td", {}, time(ts)), ...[mean, least, most].map((given) => cell(value(this.quantity, given))), cell(late ? String(late) : "")));
    fill(this.rows, ...rows);
  }

  // Colours of the canvas are those of the style sheet, as they are now.
  colour() {
    const probe = make("span", { hidden: true });
    this.element.append(probe);
    this.colours = {};
    for (const name of ["fg", "dim", "thin", "go", "band", "late", "gap", "bad"]) {
      probe.style.color = `var(--${name})`;
      this.colours[name] = getComputedStyle(probe).color;
    }
    probe.remove();
    this.chart?.redraw();
  }

  make(columns) {
    this.colour();
    const axes = { stroke: () => this.colours.dim, grid: { stroke: () => this.colours.thin, width: 1 }, ticks: { stroke: () => this.colours.thin, width: 1, size: 4 }, font: _FONT };
    const line = { stroke: () => this.colours.go, width: 1.75, points: { show: (_, __, from, to) => to - from < 60, size: 4 } };
    if (this.isYesNo) line.paths = uPlot.paths.stepped({ align: 1 });
    const edge = { stroke: null, width: 0, points: { show: false } };
    this.chart = new uPlot(
      {
        width: this.width(),
        height: _HEIGHT,
        ms: 1,
        legend: { show: false },
        padding: [8, 8, 0, 0],
        scales: {
          x: { time: true, auto: false },
          y: this.isYesNo ? { range: () => [-0.1, 1.1] } : { range: (_, least, most) => spread(least, most) },
        },
        series: [{}, edge, { ...edge }, line, { stroke: () => this.colours.late, paths: () => null, points: { show: true, size: 5, fill: () => this.colours.late } }],
        bands: [{ series: [2, 1], fill: () => this.colours.band }],
        axes: [
          { ...axes, values: (_, splits) => axis(splits), space: apart(), size: 32 },
          { ...axes, size: 52, values: this.isYesNo ? (_, splits) => splits.map((at) => (at === 0 ? "no" : at === 1 ? "yes" : "")) : undefined },
        ],
        cursor: { drag: { x: true, y: false, setScale: false }, sync: { key: "outpost" }, y: false, points: { size: 7 } },
        hooks: {
          drawClear: [(chart) => this.shade(chart)],
          draw: [(chart) => this.mark(chart)],
          setCursor: [(chart) => this.data && this.tell(chart.cursor.idx ?? null)],
          setSelect: [(chart) => this.selected(chart)],
        },
      },
      columns,
      this.canvas,
    );
  }

  selected(chart) {
    const { left, width } = chart.select;
    if (width < 5) return;
    this.all.show(chart.posToVal(left, "x"), chart.posToVal(left + width, "x"));
    chart.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  }

  shade(chart) {
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.fillStyle = this.colours.gap;
    for (const [from, to] of this.data?.gaps ?? []) {
      const left = Math.max(chart.valToPos(from, "x", true), bbox.left);
      const right = Math.min(chart.valToPos(to, "x", true), bbox.left + bbox.width);
      if (right > left) ctx.fillRect(left, bbox.top, right - left, bbox.height);
    }
    ctx.restore();
  }

  mark(chart) {
    const { ctx, bbox } = chart;
    const size = 5 * devicePixelRatio;
    ctx.save();
    ctx.fillStyle = this.colours.bad;
    for (const [ts] of this.data?.errors ?? []) {
      const x = chart.valToPos(ts, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x - size, bbox.top + bbox.height);
      ctx.lineTo(x + size, bbox.top + bbox.height);
      ctx.lineTo(x, bbox.top + bbox.height - 2 * size);
      ctx.fill();
    }
    ctx.restore();
  }
}

// px between two marks of time, so that their words do not touch
function apart() {
  const drawing = document.createElement("canvas").getContext("2d");
  drawing.font = _FONT;
  return Math.max(76, ...AXIS_SAMPLES.map((text) => drawing.measureText(text).width + 20));
}

// A flat line lies in the middle, and noise of the last digit does not look like a storm.
function spread(least, most) {
  if (least === null || most === null) return [0, 1];
  const room = Math.max((most - least) * 0.08, Math.abs(most) * 0.002, 0.05);
  return [least - room, most + room];
}
