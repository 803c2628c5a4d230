/** The time that is left, or the time of day where nothing ends: once a second. */

import { infoOf, serverNow } from "./boards.js";
import { $ } from "./elements.js";
import { clock } from "./numbers.js";
import { locale, t } from "./words.js";

const [HOUR, DAY] = [3_600, 86_400]; // seconds
const ofDay = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });

/**
 * Writes the clock.
 * @param {string} board
 * @param {number | null} next the place that is revealed next, in place of a time
 * @returns {boolean} whether a period has just ended: another one is there
 */
export function showClock(board, next) {
  const info = infoOf(board);
  if (next !== null) {
    write(t("wall.next"), t("wall.place", { rank: next }));
    return false;
  }
  const [begins, ends] = info ? [info.startsAt || info.from, info.endsAt || info.to].map((it) => Date.parse(it || "")) : [];
  const now = serverNow();
  if (begins > now) write(t("wall.begins-in"), left(begins - now));
  else if (ends > now) write(t("wall.ends-in"), left(ends - now));
  else write("", ofDay.format(new Date()));
  return ends <= now && ends > now - 1_000;
}

/** Whether a board's time lies ahead. */
export function isAhead(board) {
  const info = infoOf(board);
  return Boolean(info) && Date.parse(info.startsAt || info.from || "") > serverNow();
}

function left(ms) {
  const seconds = Math.ceil(ms / 1_000);
  if (seconds < HOUR) return clock(seconds);
  const [days, hours] = [Math.floor(seconds / DAY), Math.floor((seconds % DAY) / HOUR)];
  return days ? `${days}\u00a0d ${hours}\u00a0h` : clock(seconds);
}

function write(word, time) {
  if ($("clock-word").textContent !== word) $("clock-word").textContent = word;
  if ($("clock-time").textContent !== time) $("clock-time").textContent = time;
}
