/** The plot of completions and settle lag, as this window has seen them; a reload keeps it. */

import { parse } from "./api.js";
import { $ } from "./elements.js";
import { grouped } from "./numbers.js";
import { shape } from "./svg.js";

const SPAN_MS = 300_000;
const GAP_MS = 30_000; // nobody looked for so long: no line over what wasn't seen
const [WIDTH, HEIGHT, EDGE] = [600, 120, 6];
const KEPT = "plot";

/** @typedef {{at: number, completions: number, lag: number}} Sample */

/** @type {Sample[]} */
let samples = parse(sessionStorage.getItem(KEPT) ?? "[]") ?? [];

/** Adds a sample and draws all of them, each line on a scale of its own. */
export function plot({ completionsPerMinute, settleLagSeconds }) {
  const now = Date.now();
  samples.push({ at: now, completions: completionsPerMinute, lag: settleLagSeconds });
  samples = samples.filter(({ at }) => at > now - SPAN_MS && at <= now);
  sessionStorage.setItem(KEPT, JSON.stringify(samples));
  const most = Math.max(1, ...samples.map((it) => it.completions));
  const longest = Math.max(1, ...samples.map((it) => it.lag));
  $("plot").replaceChildren(
    ...[0.25, 0.5, 0.75].map((share) => shape("line", { x1: 0, x2: WIDTH, y1: height(share), y2: height(share) })),
    line("completions", now, (it) => it.completions / most),
    line("lag", now, (it) => it.lag / longest),
  );
  $("most").textContent = grouped(most);
  $("longest").textContent = `${longest.toFixed(1)} s`;
}

export function forgetPlot() {
  samples = [];
  sessionStorage.removeItem(KEPT);
}

/** @param {number} share from 0, the ground, to 1 */
const height = (share) => (HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE)).toFixed(1);

/** @param {string} className @param {number} now @param {(sample: Sample) => number} share */
function line(className, now, share) {
  const steps = samples.map((sample, i) => {
    const joined = i > 0 && sample.at - samples[i - 1].at < GAP_MS;
    return `${joined ? "L" : "M"}${(WIDTH * (1 - (now - sample.at) / SPAN_MS)).toFixed(1)} ${height(share(sample))}`;
  });
  return shape("path", { class: className, d: steps.join("") });
}
