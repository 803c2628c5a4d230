/** What is known of the boards that are followed, and who wants to know. */

/** @typedef {import("./types.js").Board} Board @typedef {import("./types.js").State} State */

/**
 * Return whether `next` replaces `seen`: a greater version, or any version of another epoch.
 * @param {import("./types.js").Position | null} seen
 * @param {import("./types.js").Position} next
 */
export const isNewer = (seen, next) => !seen || next.epoch !== seen.epoch || next.version > seen.version;

/**
 * Make a store for these boards.
 * @param {string[]} ids
 * @param {(error: unknown) => void} mistake told of what a callback throws
 */
export function storeOf(ids, mistake) {
  /** @type {Map<string, Board>} */ let values = new Map();
  /** @type {Map<string, boolean>} */ const frozen = new Map();
  /** @type {Map<string, State>} */ const told = new Map();
  /** @type {Set<(board: Board | null, state: State) => void>} */ const subscribers = new Set();
  /** @type {Set<() => void>} */ const waiting = new Set(); // iterators
  /** @type {"connecting" | "up" | "reconnecting" | "ended"} */ let line = "connecting";
  let paused = false;
  /** @type {unknown} */ let failure;

  /** @returns {State} */
  function stateOf(/** @type {string} */ id) {
    if (line !== "up") return line;
    return paused ? "paused" : frozen.get(id) ? "frozen" : "live";
  }

  /** @param {(board: Board | null, state: State) => void} callback @param {string} id */
  function call(callback, id) {
    try {
      callback(values.get(id) || null, stateOf(id));
    } catch (error) {
      mistake(error);
    }
  }

  /** Tell of a board, whose value or state has changed. @param {string} id */
  function tell(id) {
    told.set(id, stateOf(id));
    for (const callback of [...subscribers]) call(callback, id);
    for (const wake of [...waiting]) wake();
  }

  /** Tell of the states that have changed; of a board that hasn't come yet only if it is the first. */
  function tellStates() {
    for (const id of ids) if (told.get(id) !== stateOf(id) && (values.has(id) || id === ids[0])) tell(id);
  }

  return {
    stateOf,
    ids: () => ids,
    values: () => Object.fromEntries(values),
    isPaused: () => paused,
    /** @param {string} id */
    positionOf: (id) => values.get(id) || null,

    /** Take a newer version of a board. @param {Board} board @param {boolean} playing whether it says that nothing is paused */
    take(board, playing) {
      if (playing) paused = false;
      values = new Map(values).set(board.board, board);
      frozen.set(board.board, board.frozen === true);
      line = "up";
      tell(board.board);
      tellStates();
    },

    /** Take what a heartbeat says of a board besides its version. @param {any} message */
    hear({ board, broadcasting, frozen: isFrozen }) {
      line = "up";
      if (broadcasting !== undefined) {
        paused = broadcasting === false;
        frozen.set(board, isFrozen === true);
      }
      tellStates();
    },

    /** Say that the line is lost, or that the first attempt has failed. */
    lose() {
      if (line !== "ended") line = "reconnecting";
      tellStates();
    },

    /** @param {unknown} [error] */
    end(error) {
      if (line === "ended") return;
      [line, failure] = ["ended", error];
      tellStates();
      for (const wake of [...waiting]) wake();
    },

    /** @param {string[]} next */
    turnTo(next) {
      for (const id of ids) {
        if (next.includes(id)) continue;
        values.delete(id);
        for (const known of [frozen, told]) known.delete(id);
      }
      values = new Map(values);
      ids = next;
      tellStates();
    },

    /** @type {import("./types.js").Following["subscribe"]} */
    subscribe(callback) {
      const own = (/** @type {Board | null} */ board, /** @type {State} */ state) => callback(board, state);
      subscribers.add(own);
      const known = ids.filter((id) => values.has(id));
      (known.length ? known : ids.slice(0, 1)).forEach((id) => call(own, id));
      return () => void subscribers.delete(own);
    },

    /** The newest boards: what comes while nobody asks is skipped, but for the newest of each. */
    async *iterate() {
      /** @type {Map<string, Board>} */ const seen = new Map();
      /** @type {() => void} */ let wake = () => {};
      const poke = () => wake();
      waiting.add(poke);
      try {
        for (;;) {
          const next = ids.find((id) => values.has(id) && values.get(id) !== seen.get(id));
          if (next !== undefined) {
            const board = /** @type {Board} */ (values.get(next));
            seen.set(next, board);
            yield board;
          } else if (line === "ended") {
            if (failure) throw failure;
            return;
          } else {
            await new Promise((resolve) => (wake = () => resolve(undefined)));
          }
        }
      } finally {
        waiting.delete(poke);
      }
    },
  };
}
