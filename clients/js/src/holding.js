/** Holds boards back while the operator has paused: a screen that comes back shows no more than one that stayed. */

import { isNewer } from "./store.js";

const LONGEST_DOUBT_MS = 2_000;

/**
 * A connection begins with the board as it is, paused or not. If one has been shown before, that first one waits for the
 * heartbeat behind it, which says whether it may be seen.
 * @param {ReturnType<typeof import("./store.js").storeOf>} store
 */
export function holding(store) {
  /** @type {Map<string, import("./types.js").Board>} */ const held = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let timer;

  function release() {
    clearTimeout(timer);
    for (const board of held.values()) if (isNewer(store.positionOf(board.board), board)) store.take(board, true);
    held.clear();
  }

  return {
    /** @param {import("./types.js").Board} board @param {boolean} first of its connection */
    update(board, first) {
      const shown = store.positionOf(board.board);
      if (!isNewer(shown, board)) return store.hear({ board: board.board });
      if (!shown || !first) {
        held.delete(board.board);
        return store.take(board, !first);
      }
      held.set(board.board, board);
      store.hear({ board: board.board });
      clearTimeout(timer);
      timer = setTimeout(() => store.isPaused() || release(), LONGEST_DOUBT_MS); // an older service says nothing more
    },

    /** @param {any} message @returns {boolean} whether all that it names has arrived */
    heartbeat(message) {
      const newest = held.get(message.board) || store.positionOf(message.board);
      if (isNewer(newest, message)) return false;
      if (message.broadcasting) release();
      store.hear(message);
      return true;
    },

    close: () => clearTimeout(timer),
  };
}
