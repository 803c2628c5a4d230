/** Marks newcomers and climbers for a few seconds: by a word in their row, and by its class. */

import { t } from "./words.js";

const MARK_MS = 6_000;
const MOST = 2; // at once: more are followed by nobody

export class Marks {
  constructor() {
    /** @type {Map<HTMLElement, ReturnType<typeof setTimeout>>} the latest last */
    this._timers = new Map();
  }

  /**
   * Marks who has moved up since, or is new; not who is sealed.
   * @param {import("./board-motion.js").Rows} rows
   * @param {import("./sealed.js").Row[]} entries
   * @param {Map<string, number>} before ranks by user
   */
  noteMoves(rows, entries, before) {
    for (const { userId, rank, sealed } of entries) if (!sealed) this.note(rows.get(userId).row, rank, before.get(userId));
  }

  /**
   * Marks a row that has moved up, or is new.
   * @param {HTMLElement} row
   * @param {number} rank
   * @param {number} [before] none: it wasn't there
   */
  note(row, rank, before) {
    if (before !== undefined && before <= rank) return;
    this.remove(row);
    if (this._timers.size >= MOST) this.remove(this._timers.keys().next().value);
    row.classList.add("climb");
    row.querySelector(".mark").textContent = before === undefined ? t("board.new") : `▲ ${before - rank}`;
    this._timers.set(row, setTimeout(() => this.remove(row), MARK_MS));
  }

  /** @param {HTMLElement} row */
  remove(row) {
    clearTimeout(this._timers.get(row));
    if (!this._timers.delete(row)) return;
    row.classList.remove("climb");
    row.querySelector(".mark").textContent = ""; // the name has the place again
  }

  clear() {
    for (const row of [...this._timers.keys()]) this.remove(row);
  }
}
