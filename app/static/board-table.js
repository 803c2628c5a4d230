/** The table of a board that no page has laid out by itself. */

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
