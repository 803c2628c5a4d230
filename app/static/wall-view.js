/** What stands around the board on a wall: whether what is shown is true, and how to join. */

import { address } from "./api.js";
import { $ } from "./elements.js";
import { nameOf } from "./names.js";
import { number, t, time } from "./words.js";

/** @typedef {"connecting" | "live" | "paused" | "frozen" | "away" | "ceremony"} WallState */

const clockOf = (moment) => time(new Date(moment));

/** Writes where to join, and with what. @param {import("./about.js").About} about @param {string} code */
export function introduce(about, code) {
  const url = (about.url || address("/")).replace(/^https?:\/\//, "").replace(/\/$/, "");
  const spaced = code.replace(/^(.{4})(.+)$/, "$1 $2");
  for (const id of ["lobby-url", "join-url"]) $(id).textContent = url;
  for (const id of ["lobby-code", "join-code"]) $(id).textContent = spaced;
  for (const id of ["lobby-with", "join-with"]) $(id).hidden = !code;
  $("lobby").style.setProperty("--letters", String(url.length));
  $("qr").src = address(`/join-qr.svg${code ? `?code=${encodeURIComponent(code)}` : ""}`);
}

/**
 * Writes the state of what is shown.
 * @param {WallState} state
 * @param {import("./scoreboard.js").Board | null} board that is shown
 * @param {string | null} more what the one who leads the ceremony is told
 */
export function showState(state, board, more) {
  const root = document.documentElement;
  root.dataset.state = state;
  const frozen = Boolean(board && board.frozen && !board.places);
  root.classList.toggle("is-frozen", frozen);
  $("badge").hidden = !frozen;
  write("badge", frozen ? t("wall.frozen-at", { at: shortTime(board.frozenSince) }) : "");
  write("state", more || textOf(state, board));
}

function textOf(state, board) {
  if (state === "live") return t("wall.live");
  if (state === "frozen") return t("wall.frozen");
  if (state === "ceremony") return t("wall.revealed", { revealed: board.revealed || 0, places: board.places || 0 });
  if (state === "connecting") return t("common.loading");
  if (!board) return t("wall.unreachable");
  return t(state === "paused" ? "wall.paused" : "wall.away", { at: clockOf(board.timestamp) });
}

const shortTime = (moment) => new Date(moment).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

/** Shows how to join, in place of the board or below it. @param {boolean} lobby @param {boolean} below */
export function showJoin(lobby, below) {
  document.documentElement.dataset.view = lobby ? "lobby" : "board";
  $("lobby").hidden = !lobby;
  $("board").hidden = lobby;
  $("join").hidden = lobby || !below;
}

/** Says who climbs most. @param {{entry: import("./scoreboard.js").Entry, by: number} | null} climber */
export function showClimber(climber) {
  $("moved").hidden = !climber;
  if (!climber) return;
  write("moved-by", `▲ ${number(climber.by)}`);
  write("moved-who", nameOf(climber.entry));
}

/** Says why there are no rows. @param {string} text */
export function showAbsence(text) {
  $("empty").hidden = !text;
  write("empty", text);
}

/** @param {string} id @param {string} text spoken aloud, some of it: only when it changes */
function write(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}
