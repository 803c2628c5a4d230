/** Follows boards: by a socket with a token, by a stream without one, and by asking where neither gets through. */

import { baseOf, DEFAULT_BOARD } from "./addresses.js";
import { FollowError } from "./errors.js";
import { listeners } from "./events.js";
import { holding } from "./holding.js";
import { lineOf } from "./line.js";
import { verifierWith } from "./signatures.js";
import { storeOf } from "./store.js";

/**
 * Follow a board, or several, until `close()`, or until the service refuses it for good.
 *
 *     const board = follow("https://scores.example");
 *     board.subscribe((value, state) => draw(value, state));
 *     board.close();
 *
 * @param {string | URL} url the service's address, with the path below which it stands if there is one; relative ones are
 *   understood by a page
 * @param {import("./types.js").Options} [options]
 * @returns {import("./types.js").Following}
 */
export function follow(url, options = {}) {
  const { board, boards = [board || DEFAULT_BOARD], token, keys, signal } = options;
  const { fetch = globalThis.fetch, WebSocket = globalThis.WebSocket } = options;
  const base = baseOf(url);
  const events = listeners();
  const store = storeOf(unique(boards), events.mistake);
  const screen = holding(store);
  const verifier = keys ? verifierWith(keys, base, fetch) : null;
  /** @type {number | null} */ let heardAt = null;

  const line = lineOf({
    base,
    token,
    fetch,
    WebSocket,
    verifier,
    boards: store.ids,
    positionOf: store.positionOf,
    wantsOwn: () => events.wanted("own"),
    onMessage: receive,
    onError: complain,
    onLoss: store.lose,
    onEnd: end,
  });

  /**
   * Take a message.
   * @param {any} message
   * @param {boolean} first whether it is the first update of its board on this connection
   * @returns {boolean} whether the connection is worth going on with
   */
  function receive(message, first) {
    heardAt = Date.now();
    const { type, board: id = DEFAULT_BOARD } = message;
    if (type === "refused") return refuse(message);
    if (!store.ids().includes(id)) return true; // it was on its way when it was given up
    if (type === "own_scores") {
      events.tell({ type: "own", detail: message });
      return true;
    }
    if (type === "heartbeat") return screen.heartbeat({ ...message, board: id }); // else a board has never arrived
    if (type === "top_scores_update") screen.update({ ...message, board: id }, first);
    return true;
  }

  /** @param {{boards: string[], code: string}} message */
  function refuse({ boards, code }) {
    store.turnTo(store.ids().filter((id) => !boards.includes(id)));
    complain(new FollowError(`Boards are refused: ${boards.join(", ")} (${code}).`, { code, boards }));
    return true;
  }

  /** @param {FollowError} error */
  function complain(error) {
    const { status, code, retryAfter, boards } = error;
    events.tell({ type: "error", error, status, code, retryAfter, boards });
  }

  /** @param {FollowError} [error] */
  function end(error) {
    line.close();
    screen.close();
    store.end(error);
    if (signal) signal.removeEventListener("abort", close);
    if (error) complain(error);
  }

  const close = () => end();

  if (signal && signal.aborted) close();
  else if (signal) signal.addEventListener("abort", close);
  Promise.resolve().then(line.open); // only once the caller has what a callback may want to close

  return {
    get value() {
      return store.positionOf(store.ids()[0]);
    },
    get values() {
      return store.values();
    },
    get state() {
      return store.stateOf(store.ids()[0]);
    },
    get via() {
      return line.via();
    },
    get retry() {
      return line.retry();
    },
    get heardAt() {
      return heardAt;
    },
    subscribe: store.subscribe,
    addEventListener(type, listener) {
      events.add(type, listener);
      if (type === "own") line.wantOwn();
    },
    removeEventListener: events.remove,
    turnTo(next) {
      store.turnTo(unique(next));
      line.turnTo();
    },
    close,
    [Symbol.asyncIterator]: store.iterate,
  };
}

/** @param {string | string[]} boards */
const unique = (boards) => [...new Set(typeof boards === "string" ? [boards] : boards)];
