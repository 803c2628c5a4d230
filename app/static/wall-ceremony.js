/** The ceremony: places of a frozen board are revealed one by one, by a key, a tap, or a remote control's button. */

import { CallError, call } from "./api.js";
import { asked } from "./wall-address.js";
import { askToSignIn } from "./wall-session.js";
import { t } from "./words.js";

const KEYS = [" ", "Enter", "PageDown", "ArrowRight", "MediaPlayPause"]; // those of a presenter, too
const LEAST_MS = 400; // between two places: a key that bounces reveals one

let on = asked().ceremony;
let busy = false;
let revealedAt = -LEAST_MS;
/** @type {string | null} why nothing is revealed */
let trouble = null;

/** Whether this screen's keys reveal. */
export const isCeremony = () => on;

/** What went wrong with the last place, in words; or null. */
export const ceremonyTrouble = () => trouble;

/** Forgets what went wrong: the board is another one now. */
export function forgetTrouble() {
  trouble = null;
}

/** @returns {boolean} whether there was one */
export function endCeremony() {
  const was = on;
  [on, trouble] = [false, null];
  return was;
}

/**
 * Lets keys reveal.
 * @param {() => {board: string, period?: string}} shown what is shown
 * @param {(token?: () => Promise<string | null>) => void} changed called when there is something else to say, and with
 *   the token of who has signed in
 */
export function watchCeremony(shown, changed) {
  const next = () => reveal(shown(), changed);
  addEventListener("hashchange", () => {
    [on, trouble] = [asked().ceremony, null];
    changed();
  });
  addEventListener("keydown", (event) => {
    if (!on || isControl(event.target) || !KEYS.includes(event.key)) return;
    event.preventDefault();
    if (!event.repeat) next();
  });
  addEventListener("click", ({ target }) => {
    if (on && !isControl(target)) next();
  });
}

const isControl = (target) => target instanceof Element && Boolean(target.closest("form, button"));

/** @param {{board: string, period?: string}} shown @param {(token?: () => Promise<string | null>) => void} changed */
async function reveal({ board, period }, changed) {
  if (busy || performance.now() < revealedAt + LEAST_MS) return;
  busy = true;
  try {
    const body = { reason: "ceremony", ...(period ? { period } : {}) };
    await call("POST", `/admin/boards/${encodeURIComponent(board)}/reveal`, { body });
    [trouble, revealedAt] = [null, performance.now()];
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    if (error.status === 401) askToSignIn(t("wall.sign-in-to-reveal"), changed);
    else trouble = error.status === 409 ? t("wall.freeze-first") : error.status === 403 ? t("wall.operators-only") : error.message;
  } finally {
    busy = false;
  }
  changed();
}
