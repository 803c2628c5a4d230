/**
 * Where a page's board comes from, without a word of how it looks: followed live, or asked for where it is of a period that
 * is over.
 */

import { address, call } from "./api.js";
import { follow } from "./scoreboard.js";

/**
 * @typedef {import("./scoreboard.js").Board} Board
 * @typedef {import("./scoreboard.js").State} State
 * @typedef {import("./scoreboard.js").Own} Own
 * @typedef {{status?: number, code: string}} Problem why there is nothing: `not-found`, `unauthorized`, `user-suspended`…
 *
 * @typedef {object} Options
 * @property {string} [board]
 * @property {string | null} [period] the label of one that is over; null for the present one
 * @property {(refused?: string | null) => Promise<string | null>} [token] of who is signed in; without it one is a spectator
 * @property {(own: Own) => void} [onOwn] told the own numbers, as long as `via` is `socket`
 *
 * @typedef {object} Members
 * @property {Board | null} value
 * @property {State} state
 * @property {"socket" | "stream" | "poll" | null} via
 * @property {number | null} heardAt when the service was heard last, in milliseconds of `Date.now()`
 * @property {Problem | null} problem
 * @property {(callback: (board: Board | null, state: State) => void) => () => void} subscribe calls at once, then at every
 *   change of these; gives the function that ends it
 * @property {(board: string, period?: string | null) => void} turnTo
 * @property {() => void} close
 * @typedef {Readonly<Members>} Source
 */

const PAST_MS = 30_000; // a period that is over changes by corrections alone
const AGAIN_MS = 60_000; // a board that isn't there may come: a wall hangs for days

/**
 * Open a source.
 * @param {Options} [options]
 * @returns {Source}
 */
export function sourceOf({ board = "all-time", period = null, token, onOwn } = {}) {
  /** @type {Set<(board: Board | null, state: State) => void>} */ const subscribers = new Set();
  /** @type {Board | null} */ let past = null;
  /** @type {Problem | null} */ let problem = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let timer;
  /** @type {import("./scoreboard.js").Following} */ let following;
  let closed = false;
  begin();
  askForPast();

  function begin() {
    clearTimeout(timer);
    const mine = (following = follow(address("/"), { board, token }));
    if (onOwn) following.addEventListener("own", ({ detail }) => onOwn(detail));
    following.addEventListener("error", (error) => {
      if (error.code === "callback") console.error(error.error);
      else if (mine === following && (error.status || error.boards)) {
        problem = { status: error.status || 404, code: error.code };
        tell(); // the end itself is told before its reason
      }
    });
    following.subscribe((value, state) => {
      if (mine !== following) return;
      if (state === "live") problem = null;
      if (state === "ended" && !closed) end();
      tell();
    });
  }

  /** The service has refused: told at once, and tried again later where it isn't for the token. */
  function end() {
    clearTimeout(timer);
    timer = setTimeout(() => !isForToken() && begin(), AGAIN_MS);
  }

  const isForToken = () => Boolean(token) && problem !== null && problem.status !== 404;

  /** @returns {State} */
  function state() {
    if (period === null || !["live", "paused", "frozen"].includes(following.state)) return following.state;
    return past && past.frozen ? "frozen" : "live";
  }

  const value = () => (period === null ? following.value : past);

  function tell() {
    for (const callback of [...subscribers]) callback(value(), state());
  }

  async function askForPast() {
    const asked = period;
    if (asked === null || closed) return;
    const query = `board=${encodeURIComponent(board)}&period=${encodeURIComponent(asked)}`;
    try {
      const { headers, data } = await call("GET", `/top-scores?${query}`);
      if (asked !== period) return;
      past = pastBoard(board, asked, headers, data);
      problem = null;
    } catch (error) {
      if (asked !== period) return;
      const { status, code } = /** @type {import("./api.js").CallError} */ (error);
      problem = { status, code };
    }
    clearTimeout(timer);
    timer = setTimeout(askForPast, PAST_MS);
    tell();
  }

  return {
    get value() {
      return value();
    },
    get state() {
      return state();
    },
    get via() {
      return period === null ? following.via : null;
    },
    get heardAt() {
      return following.heardAt;
    },
    get problem() {
      return problem;
    },
    subscribe(callback) {
      subscribers.add(callback);
      callback(value(), state());
      return () => void subscribers.delete(callback);
    },
    turnTo(nextBoard, nextPeriod = null) {
      clearTimeout(timer);
      [board, period, past, problem] = [nextBoard, nextPeriod, null, null];
      if (following.state === "ended") begin();
      else following.turnTo(board);
      if (period !== null) askForPast();
      tell();
    },
    close() {
      closed = true;
      clearTimeout(timer);
      following.close();
    },
  };
}

/** @param {string} board @param {string} period @param {Headers} headers @param {any[]} payload @returns {Board} */
function pastBoard(board, period, headers, payload) {
  const [, epoch = "", version = "0"] = /"(.+)-(\d+)"/.exec(headers.get("ETag") || "") || [];
  const timestamp = headers.get("Last-Modified") || "";
  const frozenSince = headers.get("Board-Frozen");
  const about = { board, period, epoch, version: Number(version), payload, timestamp };
  if (!frozenSince) return about;
  const [revealed, places] = (headers.get("Board-Revealed") || "").split("/").map(Number);
  return { ...about, frozen: true, frozenSince, ...(places ? { revealed, places } : {}) };
}
