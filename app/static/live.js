/** The board that is looked at, as it comes, and what is said of the connection. */

import { showAbsence } from "./board.js";
import { infoOf } from "./boards.js";
import { chosen } from "./chosen.js";
import { $ } from "./elements.js";
import { SUSPENDED_TEXT } from "./messages.js";
import { currentToken, ENDED_TEXT, end, session } from "./session.js";
import { sourceOf } from "./source.js";
import { t, time } from "./words.js";

/** @type {import("./source.js").Source | null} */
let source = null;
let takeOwn = (/** @type {import("./scoreboard.js").Own} */ _own) => {};
let take = (/** @type {import("./scoreboard.js").Board} */ _board) => {};

/** Whether a socket brings the own numbers of the board that is looked at. */
export const isLive = () => source !== null && source.via === "socket" && source.state !== "reconnecting";

/** Sets what to do with each board that comes. */
export function onBoard(callback) {
  take = callback;
}

/** Sets what to do with the own numbers that come. */
export function onOwn(callback) {
  takeOwn = callback;
}

/** Follows the board that is looked at, as whoever is signed in or as a spectator. */
export function goLive() {
  leaveLive();
  const signedIn = session ? { token: currentToken, onOwn: (own) => takeOwn(own) } : {};
  const mine = (source = sourceOf({ board: chosen.board, period: chosen.period, ...signedIn }));
  mine.subscribe((board, state) => queueMicrotask(() => mine === source && follow(board, state)));
}

/** Follows another board, or another period, than before. */
export function followAnother() {
  source?.turnTo(chosen.board, chosen.period);
}

/** Follows nothing any more. */
export function leaveLive() {
  source?.close();
  source = null;
}

function follow(board, state) {
  const { problem } = source;
  if (board) take(board);
  if (problem?.status === 404) showAbsence(t("board.no-such-board"));
  if (problem?.status === 401 && !session) showAbsence(t("board.sign-in-to-see"));
  if (state !== "ended") return showState(state, isOver() && state === "live" ? t("player.over") : wordsOf(state));
  if (session && problem?.code === "user-suspended") return end(SUSPENDED_TEXT);
  if (session && problem?.code === "unauthorized") return end(ENDED_TEXT);
  showState("ended", problem?.status === 401 ? t("board.sign-in-to-see") : t("common.ended"));
}

/** Whether what is shown is a period that is over. */
const isOver = () => chosen.period !== null && infoOf(chosen.board)?.period !== chosen.period;

/** A board that may be old says of when it is. */
function wordsOf(state) {
  if (state === "live") return t("common.live");
  if (state === "paused") return t("common.paused");
  if (state === "frozen") return t("common.frozen");
  if (state === "connecting") return t("common.connecting");
  const away = navigator.onLine ? t("common.reconnecting") : t("common.offline");
  const from = source.value ? source.heardAt || Date.parse(source.value.timestamp) : null;
  return from ? t("common.board-of", { state: away, time: time(new Date(from)) }) : away;
}

function showState(state, text) {
  if ($("connection").textContent === text) return; // spoken aloud: only when it changes
  $("connection").dataset.state = state;
  $("connection").textContent = text;
}
