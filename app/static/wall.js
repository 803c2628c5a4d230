/** The wall, wired: boards on a screen for a hall, by themselves for nights on end. */

import "./score-board.js";
import { loadAbout } from "./about.js";
import { boards, infoOf, loadBoards, loadBoardsSoon, onBoards } from "./boards.js";
import { ALL_TIME } from "./chosen.js";
import { $ } from "./elements.js";
import { sourceOf } from "./source.js";
import { asked, boardIds, everyMs, theme } from "./wall-address.js";
import { ceremonyTrouble, endCeremony, forgetTrouble, isCeremony, watchCeremony } from "./wall-ceremony.js";
import { Climbers } from "./wall-climber.js";
import { isAhead, showClock } from "./wall-clock.js";
import { watchScreen } from "./wall-screen.js";
import { askToSignIn, closeSignIn, storedToken } from "./wall-session.js";
import { introduce, showAbsence, showClimber, showJoin, showState } from "./wall-view.js";
import { t } from "./words.js";

const AWAY_MS = 10_000; // a gap that short is nobody's business
const UP = ["live", "paused", "frozen"];

/** @type {import("./source.js").Source} */
let source;
let current = boardIds ? boardIds[0] : ALL_TIME; // that is asked for
/** @type {import("./scoreboard.js").Board | null} */
let shown = null;
let climbers = new Climbers();
let lostAt = performance.now();
let turnedAt = performance.now();
/** @type {boolean | null} whether somebody wants to see how to join; null: as the address and the board say */
let lobby = null;

/** Follows the boards, as somebody or as nobody. @param {() => Promise<string | null>} [token] */
function begin(token) {
  if (source) source.close();
  source = sourceOf({ board: current, token });
  source.subscribe((board, state) => {
    if (UP.includes(state)) lostAt = NaN;
    else if (Number.isNaN(lostAt)) lostAt = performance.now();
    if (board && board.board === current) take(board);
    show();
  });
}

/** @param {import("./scoreboard.js").Board} board */
function take(board) {
  if (shown && (shown.board !== board.board || shown.period !== board.period)) {
    $("board").clear(infoOf(board.board) || {});
    climbers = new Climbers();
    loadBoardsSoon(); // another period has other times
  }
  if (shown === board) return;
  forgetTrouble();
  shown = board;
  $("board").rule = infoOf(board.board) || {};
  $("board").show(board);
}

/** @returns {import("./wall-view.js").WallState} */
function stateNow() {
  if (performance.now() - lostAt > AWAY_MS) return "away";
  if (shown && shown.places) return "ceremony";
  if (!shown) return "connecting";
  const { state } = source;
  return state === "live" || state === "paused" || state === "frozen" ? state : shown.frozen ? "frozen" : "live";
}

/** Writes what is known: whenever something comes, and each second. */
function show() {
  const state = stateNow();
  const { code, lobby: wanted } = asked();
  const places = shown && shown.places ? shown.places - (shown.revealed || 0) : null;
  const empty = Boolean(shown) && !shown.payload.length && !shown.frozen;
  const joining = lobby !== null ? lobby : wanted || empty || (Boolean(code) && isAhead(current));
  const info = shown && infoOf(shown.board);
  const title = info && (boards.length > 1 || info.board !== ALL_TIME) ? info.title : "";
  if ($("board-title").textContent !== title) $("board-title").textContent = title;
  showState(state, shown, isCeremony() ? ceremonyTrouble() || (places !== 0 ? t("wall.press-space") : null) : null);
  showJoin(joining, Boolean(code) && !places);
  showAbsence(shown ? (!joining && empty ? t("board.nobody-yet") : "") : absence(state));
  showClimber(state === "live" ? climbers.best(shown.payload, performance.now()) : null);
  if (showClock(current, joining ? null : places)) loadBoardsSoon();
}

function absence(state) {
  const { problem } = source;
  if (problem && problem.status === 404) return t("wall.no-such-board");
  if (problem && (problem.status === 401 || problem.status === 403)) {
    askToSignIn(t("wall.sign-in-to-see"), begin);
    return t("wall.sign-in-to-see");
  }
  return state === "away" ? t("wall.unreachable") : t("common.loading");
}

/** Turns to another board: the next one, or the one before. @param {number} by */
function turn(by) {
  const ids = boardIds || boards.map(({ board }) => board);
  turnedAt = performance.now();
  if (ids.length < 2) return;
  current = ids[(ids.indexOf(current) + by + ids.length) % ids.length];
  source.turnTo(current);
}

function tick() {
  const standing = isCeremony() || (shown && shown.places) || lobby;
  if (!standing && performance.now() - turnedAt >= everyMs) turn(1);
  show();
}

/** @returns {boolean} whether something less than the wall was there to leave */
function back() {
  const was = closeSignIn() || endCeremony() || lobby === true;
  lobby = null;
  show();
  return was;
}

if (theme === "auto") delete document.documentElement.dataset.theme;
else document.documentElement.dataset.theme = theme;
onBoards(() => {
  if (shown) $("board").rule = infoOf(shown.board) || {};
  show();
});
watchCeremony(() => shown || { board: current }, (token) => (token ? begin(token) : show()));
addEventListener("keydown", ({ key, target }) => {
  if (isCeremony() || target instanceof HTMLInputElement) return;
  if (key === "ArrowRight" || key === "ArrowLeft") turn(key === "ArrowRight" ? 1 : -1);
  if (key === "j" || key === "J") lobby = document.documentElement.dataset.view !== "lobby";
  show();
});
addEventListener("hashchange", show);
document.addEventListener("visibilitychange", loadBoards);
storedToken()
  .catch(() => undefined)
  .then((token) => {
    begin(token);
    setInterval(tick, 1_000);
    loadBoards();
  });
loadAbout().then((about) => {
  introduce(about, asked().code);
  addEventListener("hashchange", () => introduce(about, asked().code));
  watchScreen(about.version, back);
});
