// Charts in SVG: drawn anew for the width that there is, read with the pointer or the arrow keys.

import { h, s, replace } from "./dom.js";

const GAP = { top: 14, right: 12, bottom: 24, left: 38 };

/** A linear scale from [from, to] to [start, end]. */
const scale = (from, to, start, end) => (value) => start + ((value - from) / (to - from || 1)) * (end - start);

/** About `count` round numbers from `low` to `high`. */
export function ticks(low, high, count = 4) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) found.push(Number(value.toPrecision(12)));
  return found;
}

const HOUR = 3600e3;
const STEPS = [1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720, 1440, 2880, 8760].map((hours) => hours * HOUR);

/** Instants (ms) to label a time axis by, aligned in UTC, at most one for every `room` pixels. */
export function timeTicks(from, to, width, room = 86) {
  const step = STEPS.find((candidate) => ((to - from) / candidate) * room <= width) ?? STEPS.at(-1);
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push(at);
  return { step, found };
}

/** A figure that is drawn by `draw(width)` and drawn again when its width changes. */
export function responsive(draw, props = {}) {
  const frame = h("div", { class: "chart", ...props });
  let drawn = 0;
  new ResizeObserver(([entry]) => {
    const width = Math.round(entry.contentRect.width);
    if (width && width !== drawn) {
      drawn = width;
      replace(frame, draw(width));
    }
  }).observe(frame);
  return frame;
}

/**
 * Columns over time with whatever else belongs to them.
 * `label`: what a screen reader says of it. `slots`: start of each slot (ms), all of `length` ms. `top`: highest value; `bottom`: lowest.
 * `layers(x, y, box)`: what is drawn, from the back to the front. `describe(index)`: the lines of the tooltip.
 */
export function timeChart({ label, slots, length, top, bottom = 0, height = 220, layers, describe, yFormat, xFormat, yTicks = 4 }) {
  return responsive((width) => {
    const box = { left: GAP.left, right: width - GAP.right, top: GAP.top, bottom: height - GAP.bottom, width, height };
    const from = slots[0] ?? 0;
    const to = (slots.at(-1) ?? 1) + length;
    const x = scale(from, to, box.left, box.right);
    const y = scale(bottom, top || 1, box.bottom, box.top);
    const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label, tabindex: 0 });
    for (const value of ticks(bottom, top || 1, yTicks)) {
      svg.append(s("line", { class: value === 0 ? "axis" : "grid", x1: box.left, x2: box.right, y1: y(value), y2: y(value) }));
      svg.append(s("text", { class: "tick", x: box.left - 6, y: y(value) + 4, "text-anchor": "end" }, yFormat(value)));
    }
    const { step, found } = timeTicks(from, to, box.right - box.left);
    for (const at of found) {
      if (x(at) > box.right - 14) continue;
      svg.append(s("text", { class: "tick", x: x(at), y: height - 7, "text-anchor": "middle" }, xFormat(at, step)));
      svg.append(s("line", { class: "tickmark", x1: x(at), x2: x(at), y1: box.bottom, y2: box.bottom + 4 }));
    }
    svg.append(...layers(x, y, box).filter(Boolean));
    return [svg, readable(svg, { slots, length, x, box, describe })];
  });
}

/** The crosshair and the tooltip of a chart. */
function readable(svg, { slots, length, x, box, describe }) {
  const line = s("line", { class: "crosshair", y1: box.top, y2: box.bottom, visibility: "hidden" });
  const tip = h("div", { class: "tip", role: "status", hidden: true });
  svg.append(line);
  let chosen = -1;
  const show = (index) => {
    chosen = Math.max(0, Math.min(slots.length - 1, index));
    if (!slots.length) return;
    const middle = x(slots[chosen] + length / 2);
    line.setAttribute("x1", middle);
    line.setAttribute("x2", middle);
    line.setAttribute("visibility", "visible");
    replace(tip, describe(chosen).map((text, row) => h("div", { class: row ? "" : "tip-head" }, text)));
    tip.hidden = false;
    const left = Math.min(Math.max(middle - tip.offsetWidth / 2, 2), box.width - tip.offsetWidth - 2);
    tip.style.setProperty("left", `${left}px`);
  };
  const hide = () => {
    line.setAttribute("visibility", "hidden");
    tip.hidden = true;
  };
  svg.addEventListener("pointermove", (event) => {
    const at = event.clientX - svg.getBoundingClientRect().left;
    const from = x(slots[0]);
    const each = x(slots[0] + length) - from;
    show(Math.floor((at - from) / each));
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
    if (event.key in moves) show((chosen < 0 ? slots.length : chosen) + moves[event.key]);
    else if (event.key === "Home") show(0);
    else if (event.key === "End") show(slots.length - 1);
    else if (event.key === "Escape") hide();
    else return;
    event.preventDefault();
  });
  return tip;
}

/** Stacked columns: `parts[i]` are the values of slot i from the bottom up, drawn with `classes`. */
export function columns({ slots, length, parts, classes, x, y }) {
  const group = s("g");
  slots.forEach((at, index) => {
    const left = x(at);
    const width = Math.max(1, x(at + length) - left - 1);
    let sum = 0;
    parts[index].forEach((value, part) => {
      if (value) {
        const bottom = y(sum);
        sum += value;
        group.append(s("rect", { class: classes[part], x: left, y: y(sum), width, height: Math.max(0.5, bottom - y(sum)) }));
      }
    });
  });
  return group;
}

/** A band between two series of values, in steps. */
export function band({ slots, length, low, high, x, y, name }) {
  const upper = slots.map((at, i) => `${x(at)},${y(high[i])} ${x(at + length)},${y(high[i])}`);
  const lower = slots.map((at, i) => `${x(at + length)},${y(low[i])} ${x(at)},${y(low[i])}`).reverse();
  return s("polygon", { class: name, points: [...upper, ...lower].join(" ") });
}

/** A line through values in steps, or through the middles of slots; null interrupts it. */
export function line({ slots, length, values, x, y, name, steps = false }) {
  let path = "";
  let drawing = false;
  slots.forEach((at, index) => {
    const value = values[index];
    if (value === null || value === undefined) {
      drawing = false;
      return;
    }
    const points = steps ? [x(at), x(at + length)] : [x(at + length / 2)];
    for (const point of points) {
      path += `${drawing ? "L" : "M"}${point.toFixed(1)},${y(value).toFixed(1)}`;
      drawing = true;
    }
  });
  return s("path", { class: name, d: path, fill: "none" });
}

/** What was seen against what is usual: a track from 0, the usual interval on it, the expected value, what was seen. */
export function gauge({ seen, low, high, expected, top, label, tier }) {
  const most = Math.max(seen, high, top ?? 0, 1e-9) * 1.04;
  const place = (value) => `${(Math.min(value, most) / most) * 100}%`;
  return h(
    "div",
    { class: `gauge tier-${tier ?? "none"}`, role: "img", "aria-label": label },
    h("span", { class: "gauge-usual", style: { left: place(low), width: `calc(${place(high)} - ${place(low)} + 3px)` } }),
    h("span", { class: "gauge-expected", style: { left: place(expected) } }),
    h("span", { class: "gauge-reach", style: { left: place(high), width: `max(0px, calc(${place(seen)} - ${place(high)}))` } }),
    h("span", { class: "gauge-seen", style: { left: place(seen) } }),
  );
}

/** Small stacked columns without axes. */
export function sparkColumns({ parts, classes, label, height = 34 }) {
  return responsive(
    (width) => {
      const most = Math.max(1, ...parts.map((part) => part.reduce((a, b) => a + b, 0)));
      const each = width / parts.length;
      const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
      parts.forEach((part, index) => {
        let y = height;
        part.forEach((value, kind) => {
          const tall = (value / most) * height;
          if (tall) svg.append(s("rect", { class: classes[kind], x: index * each, y: y - tall, width: Math.max(0.6, each - 0.8), height: tall }));
          y -= tall;
        });
      });
      return svg;
    },
    { class: "chart spark" },
  );
}
