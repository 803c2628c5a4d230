/** The dialog that asks for a reason before anything is changed. */

import { $ } from "./elements.js";

/**
 * Asks, and gives the body of the change; null when the operator leaves it.
 *
 * @param {string} title
 * @param {{needsReason: boolean, points?: boolean}} options
 * @returns {Promise<{reason?: string, points?: number} | null>}
 */
export function ask(title, { needsReason, points = false }) {
  const dialog = $("ask");
  if (!dialog.showModal) return Promise.resolve(askByPrompts(title, needsReason, points));
  const form = $("ask-form");
  form.reset();
  $("ask-title").textContent = title;
  $("ask-points").hidden = !points;
  form.points.disabled = !points;
  form.reason.required = needsReason;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? bodyOf(form, points) : null), { once: true });
  });
}

function bodyOf(form, points) {
  const reason = form.reason.value.trim();
  return { ...(reason && { reason }), ...(points && { points: Number(form.points.value) }) };
}

/** Asks the same where there is no <dialog>: Firefox and Safari have it since March 2022. */
function askByPrompts(title, needsReason, points) {
  const given = points ? prompt(`${title} Points, negative to take some:`) : "";
  if (given === null || (points && !/^-?[0-9]{1,10}$/.test(given.trim()))) return null;
  const reason = prompt(`${title} ${needsReason ? "Reason:" : "Reason, if there is one:"}`)?.trim().slice(0, 500);
  if (reason === undefined || (needsReason && !reason)) return null;
  return { ...(reason && { reason }), ...(points && { points: Number(given) }) };
}
