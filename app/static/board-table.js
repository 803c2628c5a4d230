/** A table that shows a board, any board: it draws the newest of what it is given, and not too often to be followed. */

import { glide, mark, moves, topsOf } from "./board-motion.js";
import { fillRow } from "./board-row.js";
import { copyOf } from "./elements.js";
import { written } from "./values.js";

/**
 * @typedef {import("./sealed.js").Row} Entry
 * @typedef {import("./board-row.js").Rule} Rule
 */

const DRAW_MS = 700; // longer than rows glide

/**
 * Makes a table show boards.
 * @param {HTMLTableElement} table its first body gets the rows
 * @param {() => import("./board-row.js").Who} who
 */
export function boardTable(table, who) {
  const body = table.tBodies[0];
  /** @type {Map<string, HTMLTableRowElement>} */
  const rows = new Map();
  /** @type {Entry[] | null} */ let drawn = null;
  /** @type {Entry[]} */ let newest = [];
  /** @type {Rule} */ let rule = {};
  let drawnAt = 0;
  let timer;

  /** Shows these entries: at once, or when the last drawing has had its time. @param {Entry[]} entries */
  function show(entries) {
    newest = entries;
    clearTimeout(timer);
    const wait = drawnAt + DRAW_MS - performance.now();
    if (drawn === null || wait <= 0) draw();
    else timer = setTimeout(draw, wait);
  }

  /** Makes way for another board, whose rows have nothing to do with these. @param {Rule} next */
  function clear(next) {
    clearTimeout(timer);
    forgetRows();
    [newest, rule] = [[], next];
  }

  /** Draws at once what is known, after another rule or another own row. @param {Rule} [next] */
  function redraw(next = rule) {
    const there = drawn !== null;
    clearTimeout(timer);
    if (next.unit !== rule.unit) forgetRows(); // a number that stays the same is not written again
    rule = next;
    if (there) draw();
  }

  function forgetRows() {
    body.replaceChildren();
    rows.clear();
    drawn = null;
  }

  /** How a row of this board looks, also one that stands elsewhere. @returns {import("./board-row.js").Look} */
  const look = () => ({ rule, best: newest.find(({ sealed }) => !sealed)?.score ?? 0, ...who() });

  function draw() {
    const before = drawn && new Map(drawn.map((entry) => [entry.userId, entry]));
    const tops = before && moves() ? topsOf(rows) : null;
    removeOthers(new Set(newest.map(({ userId }) => userId)));
    const longest = Math.max(0, ...newest.map(({ score }) => written(score, rule.unit).length));
    table.style.setProperty("--digits", String(longest));
    newest.forEach((entry, place) => {
      const row = rowAt(place, entry.userId);
      fillRow(row, entry, look());
      if (before) mark(row, entry, before.get(entry.userId));
    });
    if (tops) glide(rows, tops);
    [drawn, drawnAt] = [newest, performance.now()];
  }

  /** @param {Set<string>} kept */
  function removeOthers(kept) {
    for (const [id, row] of rows) {
      if (kept.has(id)) continue;
      row.remove();
      rows.delete(id);
    }
  }

  /** Only rows out of place are touched: to reinsert one would cut its bar's transition short. */
  function rowAt(place, userId) {
    const row = rows.get(userId) ?? copyOf("row");
    rows.set(userId, row);
    if (body.children[place] !== row) body.insertBefore(row, body.children[place] ?? null);
    return row;
  }

  return { show, clear, redraw, look };
}
