/** The time until the present period ends, or begins, by the server's clock. */

import { serverNow } from "./boards.js";
import { $ } from "./elements.js";
import { clock } from "./numbers.js";
import { locale, t } from "./words.js";

const [HOUR, DAY] = [3_600, 86_400]; // seconds
const TICK_MS = 1_000;

let until = NaN;
let words = ""; // their key
let over = () => {};
let timer;

/** Sets what to do when the time is over. */
export function onCountdownEnd(callback) {
  over = callback;
}

/**
 * Counts down to a time, or stops.
 * @param {string} key of the words, such as "common.ends-in"
 * @param {string} [time] none: nothing to count down to
 */
export function countDownTo(key, time) {
  [words, until] = [key, Date.parse(time ?? "")];
  if (!(until > serverNow())) until = NaN; // what is over already doesn't end once more
  $("ends").title = Number.isNaN(until) ? "" : new Date(until).toLocaleString(locale);
  tick();
}

/** Goes on after the page was hidden, when it stood still. */
export function tick() {
  clearTimeout(timer);
  if (document.hidden) return;
  const left = Math.ceil((until - serverNow()) / 1000);
  write(left > 0 ? t(words, { time: inWords(left) }) : "");
  if (left > 0) timer = setTimeout(tick, TICK_MS);
  else if (!Number.isNaN(until)) end();
}

function end() {
  until = NaN;
  over();
}

function write(text) {
  if ($("ends").textContent !== text) $("ends").textContent = text;
}

/** Writes what is left as coarsely as one wants to know it: "3 d 4 h", "5 h 12 min", "12:34". */
function inWords(seconds) {
  if (seconds < HOUR) return clock(seconds);
  const [days, hours] = [Math.floor(seconds / DAY), Math.floor((seconds % DAY) / HOUR)];
  if (days) return t("common.days-hours", { days, hours }).replace(/ /g, "\u00a0");
  return t("common.hours-minutes", { hours, minutes: Math.floor((seconds % HOUR) / 60) }).replace(/ /g, "\u00a0");
}
