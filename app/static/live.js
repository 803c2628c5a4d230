/** The board's two ways here: the socket, and asking for it as long as there is none. */

import { SUSPENDED, connect } from "./scoreboard.js";
import { address, call } from "./api.js";
import { showAbsence } from "./board.js";
import { boards, infoOf } from "./boards.js";
import { ALL_TIME, chosen } from "./chosen.js";
import { $ } from "./elements.js";
import { SUSPENDED_TEXT } from "./messages.js";
import { ENDED_TEXT, end, renew, renewIfDue, session } from "./session.js";

const POLL_MS = 5_000;
const POLL_PAST_MS = 30_000; // a period that is over changes by corrections alone
const LONGEST_POLL_MS = 60_000;

let takeOwn = (/** @type {import("./scoreboard.js").Own} */ _own) => {};
let take = (/** @type {import("./board.js").Board} */ _board) => {};
let live = null;
let followed = "";
/** @type {import("./scoreboard.js").Board | null} what the socket has told last */
let newest = null;
/** Whether a socket brings the board and the own numbers; of a period by its name it doesn't. */
export const isLive = () => connected && chosen.period === null && followed === chosen.board;
let connected = false;
let etag = null;
let pollTimer;
let polling = false;
let pollFailures = 0;

/** Sets what to do with each board that comes, by either way. */
export function onBoard(callback) {
  take = callback;
}

/** Sets what to do with the own numbers that the socket brings. */
export function onOwn(callback) {
  takeOwn = callback;
}

/** Opens the socket for the one who is signed in. */
export function goLive() {
  live?.close();
  const [onBoard, onOwn] = [(board) => takeIfLookedAt((newest = board)), (own) => takeOwn(own)];
  followed = wanted();
  live = connect({ url: address("/ws"), board: followed, token: currentToken, onBoard, onOwn, onState });
}

/** The board that is looked at; where there is none of that name, one that a socket is opened for. */
const wanted = () => (boards.length && !infoOf(chosen.board) ? ALL_TIME : chosen.board);

function takeIfLookedAt(board) {
  if (board?.board === chosen.board && chosen.period === null) take(board);
}

/** Has the socket that is open turn to the board that is looked at. */
export function follow() {
  const before = followed;
  followed = wanted();
  if (!live || followed === before) return;
  live.subscribe([followed]);
  live.unsubscribe([before]);
}

/** Asks for another board than before. */
export function followAnother() {
  etag = null;
  pollFailures = 0;
  follow();
  takeIfLookedAt(newest); // after a period of the same board, which it has told before
  poll();
}

/** Closes the socket. */
export function leaveLive() {
  live?.close();
  live = newest = null;
  connected = false;
}

async function currentToken() {
  await renewIfDue();
  return session?.accessToken ?? null;
}

function onState(state, { attempt, code }) {
  if (state === "rejected" || state === "refused") return; // a message that can't be read; the heartbeat notices what is missing
  connected = state === "live";
  if (state === "live") return setConnection("live", "Live");
  if (state === "closed") return session && end(code === SUSPENDED ? SUSPENDED_TEXT : ENDED_TEXT);
  if (attempt) setConnection("reconnecting", navigator.onLine ? "Reconnecting…" : "You are offline");
  else setConnection("connecting", "Connecting…");
  // A refused handshake looks like a dead network from here; a renewal tells them apart, and polling shows the board.
  if (state === "reconnecting" && attempt > 1) {
    if (attempt === 2 || attempt % 5 === 0) renew();
    poll();
  }
}

/** Asks for the board as long as the page is looked at and no socket brings it. */
export async function poll() {
  clearTimeout(pollTimer);
  if (polling || isLive() || document.hidden) return;
  polling = true;
  const [asked, wanted] = [session, chosen];
  let delay = chosen.period ? POLL_PAST_MS : POLL_MS;
  try {
    await askForBoard();
    pollFailures = 0;
    if (!session) setConnection("polling", "Sign in for live updates");
  } catch (error) {
    const base = Math.min(LONGEST_POLL_MS, POLL_MS * 2 ** ++pollFailures);
    delay = Math.max((error.retryAfter ?? 0) * 1000, base * (0.5 + Math.random() / 2));
    if (session !== asked) delay = 0;
    else if (error.status === 404 && wanted === chosen) showAbsence("There is no such board, or no such period of it.");
    else if (!session) showUnreachable(error.status);
  } finally {
    polling = false;
  }
  if (wanted !== chosen) delay = 0;
  if (!isLive()) pollTimer = setTimeout(poll, delay);
}

async function askForBoard() {
  const asked = chosen;
  const ifNew = etag ? { "If-None-Match": etag } : {};
  const query = `board=${encodeURIComponent(asked.board)}${asked.period ? `&period=${encodeURIComponent(asked.period)}` : ""}`;
  const { status, headers, data } = await call("GET", `/top-scores?${query}`, { headers: ifNew });
  if (status === 304 || asked !== chosen) return;
  etag = headers.get("ETag");
  const [, epoch, version] = /"(.+)-(\d+)"/.exec(etag ?? "") ?? [];
  const position = { epoch, version: Number(version) };
  take({ board: asked.board, ...position, payload: data, timestamp: headers.get("Last-Modified"), ...freezeIn(headers) });
}

/** What headers say of a board's freeze, as its messages say it. @param {Headers} headers */
function freezeIn(headers) {
  const frozenSince = headers.get("Board-Frozen");
  if (!frozenSince) return {};
  const [revealed, places] = headers.get("Board-Revealed")?.split("/").map(Number) ?? [];
  return { frozen: true, frozenSince, revealed, places };
}

function showUnreachable(status) {
  if (status !== 401) return setConnection("unreachable", "Can't reach the server, trying again…");
  setConnection("polling", "Sign in to see the board");
  showAbsence("Sign in to see the board.");
}

function setConnection(state, text) {
  if ($("connection").textContent === text) return; // spoken aloud: only when it changes
  $("connection").dataset.state = state;
  $("connection").textContent = text;
}
