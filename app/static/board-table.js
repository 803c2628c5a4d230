/** The table of a board: made where no page has laid one out, and its rows. */

import { noteOf } from "./board-notes.js";
import { fillRow, makeRow } from "./board-row.js";
import { written } from "./values.js";
import { t } from "./words.js";

const COLUMNS = 3;

/** The words that stand above a board, once there are words. @param {HTMLTableElement} table */
export function writeHeads(table) {
  const words = [t("board.rank"), t("board.player"), t("board.score")];
  words.forEach((word, at) => (table.tHead.rows[0].cells[at].textContent = word));
}

/** @returns {HTMLTableElement} */
export function makeTable() {
  const table = document.createElement("table");
  const heads = table.createTHead().insertRow();
  for (let column = 0; column < COLUMNS; column++) {
    const head = document.createElement("th");
    head.scope = "col";
    head.setAttribute("role", "columnheader");
    heads.append(head);
  }
  table.createTBody();
  // What is laid out as a grid is no table to a screen reader otherwise.
  table.setAttribute("role", "table");
  heads.setAttribute("role", "row");
  for (const group of [table.tHead, table.tBodies[0]]) group.setAttribute("role", "rowgroup");
  return table;
}

/**
 * Writes entries into a table, in their order.
 * @param {HTMLTableSectionElement} body
 * @param {import("./board-motion.js").Rows} rows that are there, by user; brought up to date
 * @param {import("./sealed.js").Row[]} entries
 * @param {import("./board-row.js").Look} look
 * @returns {HTMLElement[]} the rows of who is gone
 */
export function writeRows(body, rows, entries, look) {
  const kept = new Set(entries.map(({ userId }) => userId));
  const gone = [];
  rows.forEach(({ row }, id) => {
    if (kept.has(id)) return;
    row.remove();
    rows.delete(id);
    gone.push(row);
  });
  entries.forEach((entry, at) => {
    const it = rows.get(entry.userId) || { row: makeRow() };
    rows.set(entry.userId, it);
    // Only rows out of place are touched: to reinsert one would cut its bar's transition short.
    if (body.children[at] !== it.row) body.insertBefore(it.row, body.children[at] || null);
    fillRow(/** @type {HTMLTableRowElement} */ (it.row), entry, look, noteOf(entries, at, look.rule));
  });
  return gone;
}

/** How many characters the longest value has. @param {import("./sealed.js").Row[]} entries @param {string} [unit] */
export const longestOf = (entries, unit) => Math.max(0, ...entries.map(({ score }) => written(score, unit).length));
