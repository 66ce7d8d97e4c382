// Lines of the last minute.
import { svg } from "./dom.js";

const width = 120, height = 20, minute = 60;

// History is what a stream carried at each of the last documents, in packets a
// second; null if that was not known.
export class History {
  #points = []; // [time in seconds, value]

  add(time, value) {
    const last = this.#points.at(-1);
    if (last && time <= last[0]) return;
    this.#points.push([time, value]);
    while (this.#points[0][0] < time - minute - 2) this.#points.shift();
  }

  // path is the line, and the area under it, up to now.
  path(now) {
    const most = Math.max(...this.#points.map((p) => p[1] ?? 0), 1);
    const x = (time) => (width - 1 - ((now - time) / minute) * width).toFixed(1);
    const y = (value) => (height - 1 - (value / most) * (height - 3)).toFixed(1);
    let line = "", area = "", begin = null, end = null;
    const finish = () => {
      if (begin !== null) area += `L${end},${height}L${begin},${height}Z`;
      begin = null;
    };
    for (const [time, value] of this.#points) {
      if (value === null) {
        finish();
        continue;
      }
      const step = `${begin === null ? "M" : "L"}${x(time)},${y(value)}`;
      begin ??= x(time);
      end = x(time);
      line += step;
      area += step;
    }
    finish();
    return { line, area, most };
  }
}

// Spark is the drawing of a history. What it shows is said as numbers beside it.
export class Spark {
  #line = svg("path", { class: "line" });
  #area = svg("path", { class: "area" });
  node = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true", class: "sparkline" }, this.#area, this.#line);

  draw(history, now) {
    const { line, area } = history.path(now);
    this.#line.setAttribute("d", line);
    this.#area.setAttribute("d", area);
  }
}
