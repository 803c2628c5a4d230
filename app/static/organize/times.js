/** Moments as people write them. */

import { locale, t } from "../words.js";

const DAY_MS = 86_400_000;

/** Writes "14:02" for a moment of the last or the next half day, and the day with it otherwise. @param {string | Date} moment */
export function clockOf(moment) {
  const at = new Date(moment);
  const near = Math.abs(Date.now() - at.getTime()) < DAY_MS / 2;
  return at.toLocaleString(locale, near ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}

/** Writes how long ago it was: "now", "5 min", "3 h", or the day. @param {string | null} moment */
export function ago(moment) {
  if (moment === null) return t("organizer.never");
  const minutes = Math.floor((Date.now() - new Date(moment).getTime()) / 60_000);
  if (minutes < 2) return t("organizer.just-now");
  if (minutes < 60) return t("organizer.minutes-ago", { count: minutes });
  if (minutes < 60 * 24) return t("organizer.hours-ago", { count: Math.floor(minutes / 60) });
  return new Date(moment).toLocaleDateString(locale, { dateStyle: "medium" });
}

/** The value of a date-and-time field as the moment that the service takes. @param {string} local */
export const momentOf = (local) => new Date(local).toISOString();
