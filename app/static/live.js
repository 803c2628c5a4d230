/** The board's two ways here: the socket, and asking for it as long as there is none. */

import { SUSPENDED, connect } from "./scoreboard.js";
import { address, call } from "./api.js";
import { showAbsence } from "./board.js";
import { $ } from "./elements.js";
import { SUSPENDED_TEXT } from "./messages.js";
import { ENDED_TEXT, end, renew, renewIfDue, session } from "./session.js";

const POLL_MS = 5_000;
const LONGEST_POLL_MS = 60_000;

let takeOwn = (/** @type {import("./scoreboard.js").Own} */ _own) => {};
let take = (/** @type {import("./board.js").Board} */ _board) => {};
let live = null;
/** Whether a socket brings the board and the own numbers. */
export let isLive = false;
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
  const [onBoard, onOwn] = [(board) => take(board), (own) => takeOwn(own)];
  live = connect({ url: address("/ws"), token: currentToken, onBoard, onOwn, onState });
}

/** Closes the socket. */
export function leaveLive() {
  live?.close();
  live = null;
  isLive = false;
}

async function currentToken() {
  await renewIfDue();
  return session?.accessToken ?? null;
}

function onState(state, { attempt, code }) {
  if (state === "rejected") return; // a message that can't be read; the heartbeat notices what is missing
  isLive = state === "live";
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
  if (polling || isLive || document.hidden) return;
  polling = true;
  const asked = session;
  let delay = POLL_MS;
  try {
    await askForBoard();
    pollFailures = 0;
    if (!session) setConnection("polling", "Sign in for live updates");
  } catch (error) {
    const base = Math.min(LONGEST_POLL_MS, POLL_MS * 2 ** ++pollFailures);
    delay = Math.max((error.retryAfter ?? 0) * 1000, base * (0.5 + Math.random() / 2));
    if (session !== asked) delay = 0;
    else if (!session) showUnreachable(error.status);
  } finally {
    polling = false;
  }
  if (!isLive) pollTimer = setTimeout(poll, delay);
}

async function askForBoard() {
  const ifNew = etag ? { "If-None-Match": etag } : {};
  const { status, headers, data } = await call("GET", "/top-scores", { headers: ifNew });
  if (status === 304) return;
  etag = headers.get("ETag");
  const [, epoch, version] = /"(.+)-(\d+)"/.exec(etag ?? "") ?? [];
  take({ epoch, version: Number(version), payload: data, timestamp: headers.get("Last-Modified") });
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
