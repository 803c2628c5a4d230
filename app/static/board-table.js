/** The table of a board that no page has laid out by itself. */

const COLUMNS = ["Rank", "Player", "Score"];

/** @returns {HTMLTableElement} */
export function makeTable() {
  const table = document.createElement("table");
  const heads = table.createTHead().insertRow();
  for (const name of COLUMNS) {
    const head = document.createElement("th");
    head.scope = "col";
    head.textContent = name;
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
