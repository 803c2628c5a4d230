/** What a rule saw, on a scale with what is usual and the limit. */

import { number, t } from "../words.js";
import { element } from "./elements.js";

const HEADROOM = 1.12; // what was seen never lies at the very edge

/** @param {{saw: number | null, limit: number | null, usual: number | null}} seen @returns {HTMLElement | null} */
export function scale({ saw, limit, usual }) {
  if (saw == null || limit == null) return null;
  const most = Math.max(saw, limit, usual ?? 0, 1) * HEADROOM;
  const share = (value) => `${((100 * value) / most).toFixed(1)}%`;
  const bar = element("div", "scale-bar", element("i", ""));
  bar.style.setProperty("--limit", share(limit));
  bar.style.setProperty("--at", share(saw));
  const legend = element("p", "legend");
  if (usual != null) legend.append(element("span", "", t("organizer.usual", { value: number(usual) })));
  legend.append(element("span", "", t("organizer.limit", { value: number(limit) })), element("span", "", number(saw)));
  return element("div", "scale", bar, legend);
}
