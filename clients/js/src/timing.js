/** How long to wait for what. */

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 20_000;
const RENEW_AFTER = 5 / 6; // of what is left of a token's life
const SOONEST_RENEWAL_MS = 1_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const OPEN_TIMEOUT_MS = 10_000;
export const SILENCE_MS = 60_000; // more than two heartbeats
export const POLL_MS = 5_000;
export const FIRST_ASCENT_MS = 3_000;
export const LONGEST_ASCENT_MS = 300_000;

/**
 * Pick the milliseconds before an attempt, counted from 1: full jitter, so that a restarted server isn't met by all
 * clients at once.
 * @param {number} attempt
 */
export function backoff(attempt) {
  return Math.random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
}

/**
 * Return when a token should be replaced, in milliseconds from now; null when it doesn't tell, or is over already. By our
 * own clock: where that is wrong, the server's 4401 has the last word.
 * @param {import("./types.js").Token} token
 */
export function renewalDelay(token) {
  try {
    const { exp } = JSON.parse(atob(String(token).split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
    const left = exp * 1000 - Date.now();
    return left > 0 ? Math.min(Math.max(left * RENEW_AFTER, SOONEST_RENEWAL_MS), LONGEST_TIMER_MS) : null;
  } catch {
    return null; // no JWT
  }
}

/** Return a signal that aborts after a time, and the function that calls it off: `AbortSignal.timeout` is too young. */
export function timeout(/** @type {number} */ ms) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ms);
  return { signal: controller.signal, over: () => clearTimeout(timer) };
}
