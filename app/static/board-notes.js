/** What there is to say of a place: by how much the first one leads, and who of two with the same value was first. */

import { written } from "./values.js";
import { t } from "./words.js";

/**
 * @param {import("./sealed.js").Row[]} rows from the first place on
 * @param {number} at which of them
 * @param {import("./board-row.js").Rule} rule
 */
export function noteOf(rows, at, rule) {
  const [row, next] = [rows[at], rows[at + 1]];
  if (row.sealed || !next) return "";
  if (row.score === next.score) return t("board.first-to-reach", { value: written(row.score, rule.unit) });
  return row.rank === 1 ? t("board.leads-by", { by: written(Math.abs(row.score - next.score), rule.unit) }) : "";
}
