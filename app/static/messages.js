/** What is said to the person in front of the page. */

import { CallError, pause } from "./api.js";
import { clock, grouped } from "./numbers.js";
import { t } from "./words.js";

export const SUSPENDED_TEXT = "This account is suspended. An operator can say why, and lift it.";
const DEFAULT_WAIT = 5; // seconds

/** Shows a message; parts are text or elements. Nothing hides the box. */
export function say(box, parts, tone = "") {
  box.dataset.tone = tone;
  box.replaceChildren(...[parts].flat().filter(Boolean));
}

/** Runs what a button asks for, once at a time; tells errors in the box, and counts down a wait the server names. */
export async function attend(button, box, work) {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true"); // not disabled, which would take the keyboard's focus away
  say(box, "");
  try {
    await work();
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    const text = explain(error);
    if (![429, 503].includes(error.status)) return say(box, text, "bad");
    await countDown(box, text, error.retryAfter ?? DEFAULT_WAIT);
  } finally {
    button.setAttribute("aria-busy", "false");
  }
}

/** Says what a failed call means. */
function explain({ status, code, problem, message }) {
  const { detail, action: recorded } = problem;
  if (status === 0) return message;
  if (code === "wrong-credentials") return t("account.wrong-credentials");
  if (code === "fraud-rule") return `Not counted: that was against the rules. ${detail ?? ""}`;
  if (code.includes("suspend")) return SUSPENDED_TEXT;
  if (code === "action-expired") return "It was open for too long and has been cancelled. No points this time.";
  if (status === 409 && recorded) {
    if (recorded.status === "completed") return `It had been completed already: +${grouped(recorded.score ?? 0)}.`;
    return `It is ${recorded.status} already.`;
  }
  if (status === 429) return "That was too often in a short time. You can try again in ";
  if (status === 503) return "The service is busy or being worked on. You can try again in ";
  if (status >= 500) return "Something went wrong on the server. Please try again.";
  return message; // the problem's own detail
}

/**
 * Counts down beside the text, unheard by screen readers but for its start; by the clock, since a hidden page's timers
 * are late.
 */
async function countDown(box, text, seconds) {
  const until = Date.now() + Math.max(1, seconds) * 1000;
  const left = document.createElement("strong");
  left.setAttribute("aria-live", "off");
  say(box, [text, left], "bad");
  while (left.isConnected && Date.now() < until) {
    const rest = Math.ceil((until - Date.now()) / 1000);
    left.textContent = `${clock(rest)}.`;
    await pause(until - Date.now() - (rest - 1) * 1000);
  }
  if (left.isConnected) say(box, "You can try again now.");
}
