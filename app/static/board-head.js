/** What stands above a board: what it is called, when its period ends, and whether it stands still. */

import { shown } from "./board.js";
import { boards, infoOf, serverNow } from "./boards.js";
import { chosen } from "./chosen.js";
import { countDownTo } from "./countdown.js";
import { $ } from "./elements.js";
import { nameOfPeriod } from "./period-names.js";
import { chosenPeriod } from "./periods.js";
import { locale, t } from "./words.js";

const COLUMNS = { best: "player.best", latest: "player.latest", sum: "board.score" };

/** Writes it anew. */
export function showHead() {
  const info = infoOf(chosen.board);
  $("board-title").textContent = titleOf(info);
  $("score-title").textContent = t(COLUMNS[info?.by] ?? COLUMNS.sum);
  showTimes(info);
  showFrozen(info);
}

/** @returns {string} */
function titleOf(info) {
  if (!info || boards.length < 2) return t("player.top", { count: info?.top ?? 10 });
  if (!isOver(info)) return info.title;
  return `${info.title}: ${nameOfPeriod(info, chosenPeriod() ?? { period: chosen.period })}`;
}

const isOver = (info) => chosen.period !== null && chosen.period !== info.period;

function showTimes(info) {
  const past = info && isOver(info) ? chosenPeriod() : undefined;
  const [begins, ends] = info && !isOver(info) ? [info.startsAt ?? info.from, info.endsAt ?? info.to] : [];
  const ahead = begins && Date.parse(begins) > serverNow();
  countDownTo(ahead ? "common.begins-in" : "common.ends-in", ahead ? begins : ends);
  const ended = ends && Date.parse(ends) <= serverNow();
  $("final").textContent = past?.final ? t("player.final") : ended ? t("player.over") : past ? t("player.over-not-final") : "";
}

/** Says that what happens now is shown later; what came with the rows is newer than what is known of the boards. */
function showFrozen(info) {
  const { frozen = false, frozenSince, revealed, places } = shown?.frozen ? shown : info && !isOver(info) ? info : {};
  $("frozen").hidden = !frozen;
  const text = places ? t("player.revealed", { revealed, places }) : textOfFreeze(frozenSince);
  if ($("frozen").textContent !== text) $("frozen").textContent = text;
}

/** @param {string} [since] */
function textOfFreeze(since) {
  if (!since) return t("player.frozen");
  return t("player.frozen-since", { time: new Date(since).toLocaleTimeString(locale, { timeStyle: "short" }) });
}
