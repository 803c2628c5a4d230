/** The plot of completions and settle lag, as this window has seen them. */

import { $ } from "./elements.js";
import { grouped } from "./numbers.js";

const SAMPLES = 150; // five minutes
const [WIDTH, HEIGHT, EDGE] = [600, 120, 6];

/** @type {{completions: number, lag: number}[]} */
let samples = [];

/** Adds a sample and draws all of them, each line on a scale of its own. */
export function plot({ completionsPerMinute, settleLagSeconds }) {
  samples = [...samples, { completions: completionsPerMinute, lag: settleLagSeconds }].slice(-SAMPLES);
  const most = Math.max(1, ...samples.map((it) => it.completions));
  const longest = Math.max(1, ...samples.map((it) => it.lag));
  $("plot").replaceChildren(
    line("completions", samples.map((it) => it.completions / most)),
    line("lag", samples.map((it) => it.lag / longest)),
  );
  $("plot-title").textContent =
    `Completions a minute (solid, up to ${grouped(most)}) and settle lag (dashed, up to ${longest.toFixed(1)} s), last five minutes`;
}

export function forgetPlot() {
  samples = [];
}

/** @param {number[]} shares from 0 to 1, the newest last */
function line(className, shares) {
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  const step = WIDTH / (SAMPLES - 1);
  const start = WIDTH - (shares.length - 1) * step;
  const points = shares.map((share, i) => `${(start + i * step).toFixed(1)} ${(HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE)).toFixed(1)}`);
  path.setAttribute("class", className);
  path.setAttribute("d", `M${points.join("L")}`);
  return path;
}
