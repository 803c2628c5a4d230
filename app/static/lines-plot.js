/** Lines over one time and one scale, as SVG: of which line each is, its class says. */

import { shape } from "./svg.js";

const [WIDTH, HEIGHT, EDGE] = [600, 240, 8];

/** @typedef {{at: string, score: number | null}} Point */

/**
 * @param {SVGElement} svg
 * @param {Point[][]} lines `score` null: there was none yet
 * @param {boolean} lowest the lowest is the best, and stands at the top
 */
export function drawLines(svg, lines, lowest) {
  const times = lines.flat().map(({ at }) => Date.parse(at));
  const scores = lines.flat().flatMap(({ score }) => (score === null ? [] : [score]));
  const across = scale(times, WIDTH);
  const up = scale(scores, 1);
  const height = (score) => EDGE + (lowest ? up(score) : 1 - up(score)) * (HEIGHT - 2 * EDGE);
  const grid = [0.25, 0.5, 0.75].map((share) => HEIGHT * share);
  svg.replaceChildren(
    ...grid.map((y) => shape("line", { x1: 0, x2: WIDTH, y1: y, y2: y })),
    // The first of the board is drawn last, over the others.
    ...lines.map((points, at) => shape("path", { class: `line line-${at}`, d: pathOf(points, across, height) })).reverse(),
  );
}

function pathOf(points, across, height) {
  let pen = "M";
  return points.map(({ at, score }) => {
    if (score === null) return "";
    const step = `${pen}${across(Date.parse(at)).toFixed(1)} ${height(score).toFixed(1)}`;
    pen = "L";
    return step;
  }).join("");
}

/** Makes what maps the least of the values to 0 and the greatest to `size`. */
function scale(values, size) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return (value) => (most > least ? ((value - least) / (most - least)) * size : size / 2);
}
