/** The board over time: a line for each of its first, and for oneself. */

import { call } from "./api.js";
import { look, shown } from "./board.js";
import { pathOf } from "./board-paths.js";
import { chosen } from "./chosen.js";
import { $ } from "./elements.js";
import { drawLines } from "./lines-plot.js";
import { namesOf } from "./names.js";
import { profile } from "./profile.js";
import { session } from "./session.js";
import { written } from "./values.js";
import { locale, t } from "./words.js";

const POINTS = 60;
const MOST = 10; // lines
const EVERY_MS = 60_000;

let asked = 0;
let timer;

/** Draws the lines of the board that is looked at, if they are wanted. */
export async function loadLines() {
  clearTimeout(timer);
  if (!$("lines").open || document.hidden) return;
  timer = setTimeout(loadLines, EVERY_MS);
  const [mine, board] = [++asked, chosen];
  const path = pathOf("history", { points: POINTS, ...whose() });
  const { data } = await call("GET", path).catch(() => ({ data: null }));
  if (!data || mine !== asked || board !== chosen) return;
  write(data);
}

/** Takes the lines of another board away. */
export function forgetLines() {
  asked += 1;
  write({ items: [], from: null, to: null });
  $("no-lines").textContent = t("common.loading");
  loadLines();
}

/** The first ones come by themselves; who stands behind them is asked for among them. */
function whose() {
  if (!session || !profile?.rank || profile.rank <= MOST) return {};
  const first = (shown?.payload ?? []).slice(0, MOST - 1).map(({ userId }) => userId);
  return { users: [...first, session.userId].join(",") };
}

function write({ items, from, to }) {
  const { unit, order } = look().rule;
  const lines = items.filter(({ points }) => points.some(({ score }) => score !== null));
  drawLines($("lines-plot"), lines.map(({ points }) => points), order === "lowest");
  $("lines-names").replaceChildren(...lines.map((item, at) => nameOfLine(item, at, unit)));
  writeScale(lines.flatMap(({ points }) => points.flatMap(({ score }) => score ?? [])), unit, order);
  writeTime($("lines-from"), from);
  writeTime($("lines-to"), to);
  $("no-lines").textContent = lines.length ? "" : t("player.nothing-to-show");
}

function nameOfLine(item, at, unit) {
  const line = document.createElement("li");
  const key = document.createElement("span");
  const name = document.createElement("span");
  const score = document.createElement("strong");
  key.className = `line-key line-${at}`;
  name.className = "line-name";
  name.append(...namesOf(item));
  const last = [...item.points].reverse().find((point) => point.score !== null);
  score.textContent = written(last.score, unit);
  line.classList.toggle("own", item.userId === session?.userId);
  line.append(key, name, score);
  return line;
}

/** Says what the top and the bottom of the drawing stand for. @param {number[]} scores */
function writeScale(scores, unit, order) {
  const ends = [Math.max(...scores), Math.min(...scores)].map((score) => (scores.length ? written(score, unit) : ""));
  if (order === "lowest") ends.reverse();
  [$("lines-top").textContent, $("lines-bottom").textContent] = ends;
}

function writeTime(element, time) {
  element.textContent = time ? new Date(time).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" }) : "";
  if (time) element.dateTime = time;
}

export function watchLines() {
  $("lines").addEventListener("toggle", loadLines);
}
