// A chart over time by uPlot, with the same in words and as a table.

import { h, number } from "./dom.js";

const HEIGHT = 180;
const ROWS = 12;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The colour of a custom property, resolved: a canvas does not know light-dark(). */
const resolved = (name) => {
  const probe = document.getElementById("said");
  probe.style.color = `var(${name})`;
  const color = getComputedStyle(probe).color;
  probe.style.removeProperty("color");
  return color || css(name);
};

/**
 * A chart. `series` are `{ label, color, dash?, format? }`, `color` a custom property. `update(times, columns)` draws: times
 * in seconds, one column for each series, null where there is nothing.
 */
export class Chart {
  constructor(name, what, series, format = number) {
    this.series = series;
    this.format = format;
    this.times = [];
    this.columns = series.map(() => []);
    this.canvas = h("div", { class: "plot", role: "img", "aria-label": name });
    this.legend = h("ul", { class: "legend" });
    this.body = h("div", {});
    this.details = h("details", { on: { toggle: () => this.#table() } }, h("summary", {}, "As a table"), this.body);
    this.root = h(
      "figure",
      { class: "chart" },
      h("figcaption", {}, h("strong", {}, name), " ", h("span", { class: "quiet" }, what)),
      this.canvas,
      this.legend,
      this.details,
    );
    this.name = name;
    this.values = series.map((line, at) => {
      const value = h("b", {}, "–");
      this.legend.append(h("li", {}, h("span", { class: `key key-${line.color.replace(/^--/, "")}${line.dash ? " dash" : ""}`, "aria-hidden": "true" }), `${line.label} `, value));
      return value;
    });
    this.watch = new ResizeObserver(() => this.#size());
    this.watch.observe(this.canvas);
  }

  #size() {
    const width = Math.floor(this.canvas.clientWidth);
    if (width > 40 && this.plot && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
    if (width > 40 && !this.plot) this.#draw();
  }

  #draw() {
    const width = Math.floor(this.canvas.clientWidth);
    if (width <= 40 || !window.uPlot) return;
    const [grid, text] = [resolved("--line"), resolved("--quiet")];
    const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: "12px system-ui, sans-serif" };
    this.plot?.destroy();
    this.plot = new window.uPlot(
      {
        width,
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false } },
        scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
        axes: [
          { ...axis, size: 34, space: 70, values: (_, at) => at.map((it) => new Date(it * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" })) },
          { ...axis, size: 62, values: (_, at) => at.map((it) => this.format(it)) },
        ],
        series: [
          {},
          ...this.series.map((line) => ({
            label: line.label,
            stroke: resolved(line.color),
            width: 2,
            dash: line.dash ? [6, 4] : undefined,
            points: { show: false },
            spanGaps: false,
          })),
        ],
      },
      [this.times, ...this.columns],
      this.canvas,
    );
    this.plot.root.setAttribute("aria-hidden", "true");
  }

  /** Draws in the colours of now. */
  recolour() {
    if (this.plot) this.#draw();
  }

  update(times, columns) {
    this.times = times;
    this.columns = columns;
    if (this.plot) this.plot.setData([times, ...columns]);
    else this.#draw();
    const last = columns.map((column) => column[column.length - 1] ?? null);
    this.values.forEach((value, at) => (value.textContent = this.format(last[at])));
    const words = this.series.map((line, at) => `${line.label} ${this.format(last[at])}`);
    this.canvas.setAttribute("aria-label", `${this.name}, now: ${words.join(", ")}`);
    this.#table();
  }

  #table() {
    if (!this.details.open) return;
    const from = Math.max(0, this.times.length - ROWS);
    const rows = this.times.slice(from).map((at, n) => [at, ...this.columns.map((column) => column[from + n])]);
    this.body.replaceChildren(
      h(
        "table",
        {},
        h("caption", { class: "unseen" }, `${this.name}, the newest seconds`),
        h("thead", {}, h("tr", {}, ["Time", ...this.series.map((it) => it.label)].map((it) => h("th", { scope: "col" }, it)))),
        h("tbody", {}, rows.reverse().map(([at, ...values]) =>
          h("tr", {}, h("th", { scope: "row" }, new Date(at * 1000).toLocaleTimeString("en-GB")), values.map((it) => h("td", {}, this.format(it)))))),
      ),
    );
  }

  end() {
    this.watch.disconnect();
    this.plot?.destroy();
  }
}
