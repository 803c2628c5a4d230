/** What is said to the person in front of the page. */

import { CallError, pause } from "./api.js";
import { clock } from "./numbers.js";
import { t } from "./words.js";

export const SUSPENDED_TEXT = t("account.suspended");
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
  if (code === "unreachable") return t("common.unreachable");
  if (status === 0) return message;
  if (code === "wrong-credentials") return t("account.wrong-credentials");
  if (code === "fraud-rule") return `${t("common.against-rules")} ${detail ?? ""}`;
  if (code.includes("suspend")) return SUSPENDED_TEXT;
  if (code === "action-expired") return t("common.was-open-too-long");
  if (status === 409 && recorded) {
    if (recorded.status === "completed") return t("common.completed-already", { points: recorded.score ?? 0 });
    return t("common.cancelled-already");
  }
  if (status === 429) return `${t("common.too-often")} `;
  if (status === 503) return `${t("common.busy")} `;
  if (status >= 500) return t("common.went-wrong");
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
  if (left.isConnected) say(box, t("common.try-again-now"));
}
