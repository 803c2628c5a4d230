/** The places of a board that are not revealed yet: a row each, without a name, until somebody's takes its place. */

/**
 * @typedef {import("./scoreboard.js").Entry} Entry
 * @typedef {Entry & {sealed?: "next" | "later"}} Row `next`: the one that is revealed next
 */

/**
 * Returns a board's rows, and before them those that are sealed.
 * @param {{payload: Entry[], revealed?: number, places?: number}} board
 * @returns {Row[]}
 */
export function withSealed({ payload, revealed = 0, places = 0 }) {
  const sealed = Array.from({ length: Math.max(0, places - revealed) }, (_, above) => sealedAt(above + 1));
  if (sealed.length) sealed[sealed.length - 1].sealed = "next";
  return [...sealed, ...payload];
}

/**
 * Returns the rows of a board that there is room for: the first ones, but while places are revealed those around the next.
 * @param {Row[]} rows
 * @param {number} most
 */
export function windowOf(rows, most) {
  const next = rows.findIndex(({ sealed }) => sealed === "next");
  const from = Math.max(0, Math.min(next - Math.floor(most / 2), rows.length - most));
  return next < 0 ? rows.slice(0, most) : rows.slice(from, from + most);
}

/** @returns {Row} */
const sealedAt = (rank) => ({ userId: `sealed-${rank}`, username: "", score: 0, rank, sealed: "later" });
