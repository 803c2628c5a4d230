/** A row of a board: a place, who has it, and with what. */

import { nameOf } from "./names.js";
import { countTo } from "./numbers.js";
import { written } from "./values.js";

/**
 * @typedef {import("./sealed.js").Row} Row
 * @typedef {{unit?: string, order?: "highest" | "lowest"}} Rule what of a board's rules decides how its values look
 * @typedef {{ownId?: string, soughtId?: string}} Who whose rows are told apart
 * @typedef {Who & {rule: Rule, best: number}} Look `best`: the value on the first place
 */

/** Writes an entry into a row. @param {HTMLTableRowElement} row @param {Row} entry @param {Look} look */
export function fillRow(row, { userId, username, displayName, score, rank, sealed }, { rule, best, ownId, soughtId }) {
  const own = userId === ownId;
  row.classList.toggle("own", own);
  row.classList.toggle("sought", userId === soughtId);
  part(row, "you").hidden = !own;
  part(row, "rank").dataset.rank = rank ?? "";
  part(row, "rank").firstElementChild.textContent = rank ?? "–";
  row.classList.toggle("sealed", Boolean(sealed));
  row.classList.toggle("next", sealed === "next");
  part(row, "name").textContent = sealed ? "Not revealed yet" : nameOf({ username, displayName });
  part(row, "name").title = displayName ? `${displayName} (${username})` : username;
  part(row, "username").textContent = username;
  part(row, "username").hidden = !displayName;
  part(row, "bar").style.setProperty("--share", String(share(score, best, rule)));
  if (!sealed) countTo(part(row, "score"), score, (value) => written(value, rule.unit));
}

/** How much of the bar a value fills: of the best one all, whether that is the highest or the lowest. */
function share(score, best, { order }) {
  const [part, whole] = order === "lowest" ? [best, score] : [score, best];
  return whole > 0 ? Math.min(1, Math.max(0, part / whole)) : 0;
}

/** @returns {any} */
const part = (row, name) => row.querySelector(`.${name}`);
