/** Paths of what the service tells about the board that is looked at. */

import { chosen } from "./chosen.js";

/**
 * @param {string} rest such as "standings", or "around/…"
 * @param {Record<string, string | number>} [query]
 */
export function pathOf(rest, query = {}) {
  const asked = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
  if (chosen.period) asked.set("period", chosen.period);
  const text = asked.toString();
  return `/boards/${encodeURIComponent(chosen.board)}/${rest}${text ? `?${text}` : ""}`;
}
