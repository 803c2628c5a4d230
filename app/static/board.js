/** The board that the page shows. */

import "./score-board.js";
import { isNewer } from "./newer.js";
import { chosen } from "./chosen.js";
import { $ } from "./elements.js";
import { session } from "./session.js";
import { t, time as written } from "./words.js";

/** @typedef {import("./scoreboard.js").Entry} Entry */
/** @typedef {{epoch: string, version: number, payload: Entry[], timestamp: string, period?: string,
 *   frozen?: boolean, frozenSince?: string, revealed?: number, places?: number}} Board `frozen`: what comes later isn't shown
 */

const element = () => /** @type {import("./score-board.js").ScoreBoard} */ ($("board"));

/** @type {Board | null} */
export let shown = null;

/** Draws it again, after a sign-in or sign-out. */
export const redraw = () => (element().own = session?.userId);

/**
 * Makes way for another board.
 * @param {import("./board-row.js").Rule} rule
 */
export function clearBoard(rule) {
  shown = null;
  element().clear(rule);
  $("updated").textContent = "–";
  $("updated").removeAttribute("datetime");
  $("empty").hidden = false;
  showAbsence(t("player.loading-board"));
}

/** Has it look as its rule says. @param {import("./board-row.js").Rule} rule */
export const setRule = (rule) => (element().rule = rule);

/** How its rows look, also one that stands elsewhere. */
export const look = () => element().look;

/** @returns {Entry | undefined} the entry of the one who is signed in */
export const ownEntry = (payload = shown?.payload) => payload?.find((entry) => entry.userId === session?.userId);

/**
 * Shows a board, unless a newer one is up.
 * @param {Board} board
 * @returns {boolean} whether it is shown
 */
export function show(board) {
  if (board.version >= 0 && !isNewer(shown, board)) return false;
  shown = board;
  $("empty").textContent = chosen.period || board.frozen ? t("player.nobody-was") : t("board.nobody-yet");
  $("empty").hidden = board.payload.length > 0;
  showTime(new Date(board.timestamp));
  element().show(board);
  return true;
}

/** Says why there is no board to show. */
export function showAbsence(text) {
  $("empty").textContent = text;
}

function showTime(time) {
  $("updated").dateTime = time.toISOString();
  $("updated").textContent = written(time);
}
