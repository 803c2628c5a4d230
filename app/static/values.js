/** Values of a board as people read them, in the board's unit. */

import { clock, grouped } from "./numbers.js";
import { t } from "./words.js";

/**
 * Writes a value: milliseconds as "1:23.456", seconds as "1:23", points as "12,345", others with their unit: "12,345 m".
 * @param {number} value a whole number
 * @param {string} [unit] none: points
 */
export function written(value, unit) {
  const size = Math.abs(value);
  const sign = value < 0 ? "-" : "";
  if (unit === "ms") return `${sign}${clock(Math.floor(size / 1000))}.${String(size % 1000).padStart(3, "0")}`;
  if (unit === "s") return sign + clock(size);
  return !unit || unit === "points" ? grouped(value) : `${grouped(value)}\u00a0${unit}`;
}

/** Writes a value to be read aloud within a sentence. */
export const spoken = (value, unit) => (unit && unit !== "points" ? written(value, unit) : t("common.points", { count: value }));
