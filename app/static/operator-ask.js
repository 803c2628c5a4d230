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
