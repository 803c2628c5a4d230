/**
 * A live top 10 over one WebSocket, in any browser. It has no dependencies: copy it, or import it from the service.
 *
 *     import { connect } from "/scoreboard.js";
 *     const live = connect({
 *       url: "wss://scores.example/ws",
 *       token: () => session.accessToken,
 *       onBoard: ({ payload }) => draw(payload),
 *       onState: (state) => console.log(state),
 *     });
 *     live.close();
 */

const PROTOCOL = "scoreboard.v1";
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 20_000;
const OPEN_TIMEOUT_MS = 10_000;
const SILENCE_MS = 60_000; // more than two heartbeats

export const TOKEN_REFUSED = 4401;
export const SUSPENDED = 4403;

/**
 * @typedef {{userId: string, username: string, score: number, rank: number}} Entry
 * @typedef {{epoch: string, version: number}} Position
 * @typedef {Position & {board: string, payload: Entry[], timestamp: string}} Board
 * @typedef {"connecting" | "live" | "reconnecting" | "closed"} State
 *   `closed` is final: the token was refused, or its user suspended.
 * @typedef {object} StateInfo
 * @property {number} [attempt] consecutive failures so far
 * @property {number} [delayMs] time until the next attempt
 * @property {number} [code] the WebSocket's close code
 */

/**
 * Tells whether `next` replaces `seen`: a greater version, or any version of another epoch.
 * @param {Position | null} seen
 * @param {Position} next
 * @returns {boolean}
 */
export function isNewer(seen, next) {
  return seen === null || next.epoch !== seen.epoch || next.version > seen.version;
}

/**
 * Picks the time before an attempt: full jitter, so that a restarted server isn't met by all clients at once.
 * @param {number} attempt counted from 1
 * @returns {number} milliseconds
 */
export function backoff(attempt) {
  return Math.random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
}

/**
 * Keeps a board up to date until `close()`, or until the server refuses the token for good.
 * @param {object} options
 * @param {string | URL} options.url address of the WebSocket; http(s) and relative ones are understood
 * @param {string | (() => string | null | Promise<string | null>)} options.token asked before each attempt
 * @param {(board: Board) => void} options.onBoard called with each newer board, the present one first
 * @param {(state: State, info: StateInfo) => void} [options.onState] not called for `close()`
 * @returns {{close: () => void}}
 */
export function connect({ url, token, onBoard, onState = () => {} }) {
  const address = new URL(url, globalThis.location?.href);
  address.protocol = address.protocol.replace(/^http/, "ws");

  let turn = 0; // whatever an earlier turn still reports is ignored
  let attempt = 0;
  let waiting = false;
  let live = false;
  let lastHeard = 0;
  /** @type {WebSocket | null} */ let socket = null;
  /** @type {Position | null} */ let seen = null;
  /** @type {string | null} */ let refused = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let timer;

  async function open() {
    const mine = nextTurn();
    timer = setTimeout(retry, OPEN_TIMEOUT_MS);
    onState("connecting", { attempt });
    let bearer;
    try {
      bearer = typeof token === "function" ? await token() : token;
    } catch {
      if (mine === turn) retry();
      return;
    }
    if (mine !== turn) return;
    if (!bearer || bearer === refused) return end(TOKEN_REFUSED);

    socket = new WebSocket(address, [PROTOCOL, `bearer.${bearer}`]);
    socket.onmessage = ({ data }) => {
      if (mine === turn) receive(data);
    };
    socket.onclose = ({ code }) => {
      if (mine !== turn) return;
      if (code === SUSPENDED) return end(code);
      // The socket lives as long as the token it was opened with; token() may have a younger one.
      if (code === TOKEN_REFUSED) refused = bearer;
      retry(code);
    };
  }

  /** @param {string} data */
  function receive(data) {
    lastHeard = Date.now();
    clearTimeout(timer);
    timer = setTimeout(retry, SILENCE_MS);
    const message = JSON.parse(data);
    const newer = isNewer(seen, message);
    // A heartbeat that is ahead of us names a board that never arrived.
    if (message.type === "heartbeat" && newer) return retry();
    if (message.type !== "top_scores_update") return;
    // Only now is the connection worth something: a server that accepts and closes at once is backed off from.
    attempt = 0;
    if (!live) onState("live", {});
    live = true;
    if (!newer) return;
    seen = { epoch: message.epoch, version: message.version };
    onBoard(message);
  }

  /** @param {number} [code] */
  function retry(code) {
    nextTurn();
    attempt += 1;
    waiting = true;
    const delayMs = backoff(attempt);
    timer = setTimeout(open, delayMs);
    onState("reconnecting", { attempt, delayMs, code });
  }

  /** @param {number} code */
  function end(code) {
    close();
    onState("closed", { code });
  }

  function close() {
    nextTurn();
    globalThis.removeEventListener?.("online", wake);
    globalThis.removeEventListener?.("offline", lose);
    globalThis.document?.removeEventListener("visibilitychange", wake);
  }

  function nextTurn() {
    clearTimeout(timer);
    waiting = live = false;
    // A dead network may hold the close event back for minutes, so nobody waits for it.
    socket?.close();
    socket = null;
    return ++turn;
  }

  /** Looks at once after sleep, offline or a hidden tab, where timers are late. */
  function wake() {
    if (globalThis.document?.hidden) return;
    if (waiting) open();
    else if (socket?.readyState === WebSocket.OPEN && Date.now() - lastHeard > SILENCE_MS) retry();
  }

  /** Gives a socket up with its network, which else would look alive until its silence is noticed. */
  function lose() {
    if (!waiting) retry();
  }

  globalThis.addEventListener?.("online", wake);
  globalThis.addEventListener?.("offline", lose);
  globalThis.document?.addEventListener("visibilitychange", wake);
  open();
  return { close };
}
