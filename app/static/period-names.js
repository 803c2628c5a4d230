/** Periods in words: "Friday, 27 November 2026", "16 November to 22 November 2026", "November 2026". */

import { locale } from "./words.js";

const FORMS = {
  daily: { weekday: "short", day: "numeric", month: "short", year: "numeric" },
  weekly: { day: "numeric", month: "short", year: "numeric" },
  monthly: { month: "long", year: "numeric" },
};

/**
 * @param {import("./boards.js").BoardInfo} info
 * @param {{period: string, startsAt?: string, endsAt?: string}} period
 * @returns {string} its days, as they are counted in the board's zone
 */
export function nameOfPeriod({ window, zone }, { period, startsAt, endsAt }) {
  if (!FORMS[window] || !startsAt || !endsAt) return period;
  const write = (time) => dateIn(zone, FORMS[window]).format(new Date(time));
  const last = Date.parse(endsAt) - 1;
  return window === "weekly" ? `${write(startsAt)} – ${write(last)}` : write(startsAt);
}

/** @returns {Intl.DateTimeFormat} */
function dateIn(timeZone, form) {
  try {
    return new Intl.DateTimeFormat(locale, { ...form, timeZone });
  } catch {
    return new Intl.DateTimeFormat(locale, { ...form, timeZone: "UTC" }); // a zone that this browser doesn't know
  }
}
