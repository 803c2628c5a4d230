/**
 * `<score-board>`: shows the board that it is given, any board, and asks nobody. It draws the newest one, at most once a
 * second, and moves nothing but what it draws. Looks come from tokens.css and board.css.
 * Attributes: `rows`, places at most; `every`, milliseconds between two drawings; `theme`, "light" or "dark".
 */

import { Marks } from "./board-marks.js";
import { boxesOf, glide, moves } from "./board-motion.js";
import { longestOf, makeTable, writeHeads, writeRows } from "./board-table.js";
import { windowOf, withSealed } from "./sealed.js";
import { ready } from "./words.js";

/**
 * @typedef {import("./scoreboard.js").Entry} Entry
 * @typedef {import("./board-row.js").Rule} Rule
 * @typedef {{payload: Entry[], revealed?: number, places?: number}} Shown any message of a board has these
 */

const EVERY_MS = 1_000;

export class ScoreBoard extends HTMLElement {
  constructor() {
    super();
    /** @type {Map<string, {row: HTMLTableRowElement, glide?: Animation}>} */
    this._rows = new Map();
    this._marks = new Marks();
    /** @type {Map<string, number> | null} ranks by user, as they are drawn */ this._drawn = null;
    /** @type {Shown} */ this._newest = { payload: [] };
    /** @type {Rule} */ this._rule = {};
    /** @type {import("./board-row.js").Who} */ this._who = {};
    this._drawnAt = -EVERY_MS;
    this._timer = undefined;
  }

  connectedCallback() {
    const own = this.querySelector("table");
    if (!own) this.append(makeTable());
    this._table = this.querySelector("table");
    if (this._drawn || this._newest.payload.length) this._draw();
    ready.then(() => {
      if (!own) writeHeads(this._table);
      this._redraw(); // on somebody else's page words come later
    });
  }

  disconnectedCallback() {
    clearTimeout(this._timer);
    this._marks.clear();
  }

  /** Shows a board: at once, or when the last drawing has had its time. @param {Shown} board */
  show(board) {
    this._newest = board;
    clearTimeout(this._timer);
    const every = Number(this.getAttribute("every")) || EVERY_MS;
    const wait = this._drawn ? this._drawnAt + every - performance.now() : 0;
    if (wait > 0) this._timer = setTimeout(() => this._draw(), wait);
    else this._draw();
  }

  /** Makes way for another board, whose rows have nothing to do with these. @param {Rule} [rule] */
  clear(rule = {}) {
    clearTimeout(this._timer);
    this._marks.clear();
    this._rows.forEach(({ row }) => row.remove());
    this._rows.clear();
    [this._drawn, this._newest, this._rule] = [null, { payload: [] }, rule];
  }

  /** Whose row is marked as the own one. @param {string | null | undefined} userId */
  set own(userId) {
    this._who.ownId = userId;
    this._redraw();
  }

  /** Whose row is marked as the one that was looked for. @param {string | null | undefined} userId */
  set sought(userId) {
    this._who.soughtId = userId;
    this._redraw();
  }

  /** How values are written, and which is the best: an item of GET /boards is one. */
  get rule() {
    return this._rule;
  }

  set rule(/** @type {Rule} */ rule) {
    this._rule = rule;
    this._redraw();
  }

  /** How a row of this board looks, also one that stands elsewhere. @returns {import("./board-row.js").Look} */
  get look() {
    const [first] = this._newest.payload;
    return { rule: this._rule, best: first ? first.score : 0, ...this._who };
  }

  _redraw() {
    if (this._drawn) this._draw();
  }

  _draw() {
    clearTimeout(this._timer);
    if (!this._table) return; // it is drawn when it is put into the page
    const most = Number(this.getAttribute("rows")) || Infinity;
    const entries = windowOf(withSealed(this._newest), most);
    this.dataset.from = entries.length ? String(entries[0].rank) : "1";
    const before = this._drawn;
    const boxes = before && moves() ? boxesOf(this._rows) : null;
    this.style.setProperty("--digits", String(longestOf(entries, this._rule.unit)));
    for (const row of writeRows(this._table.tBodies[0], this._rows, entries, this.look)) this._marks.remove(row);
    if (before && before.size) this._marks.noteMoves(this._rows, entries, before);
    if (boxes) glide(this._rows, boxes);
    this._drawn = new Map(entries.map(({ userId, rank }) => [userId, rank]));
    this._drawnAt = performance.now();
  }
}

// A page that has it twice, from two addresses, keeps the first.
if (!customElements.get("score-board")) customElements.define("score-board", ScoreBoard);
