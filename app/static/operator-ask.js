/** The dialog that asks for a reason before anything is changed. */

import { $ } from "./elements.js";

/**
 * @typedef {{username: string, displayName: string | null}} Names
 * @typedef {{needsReason: boolean, points?: boolean, names?: Names}} Options
 */

/**
 * Asks, and gives the body of the change; null when the operator leaves it.
 *
 * @param {string} title
 * @param {Options} options `names`: those that the user has, to be changed
 * @returns {Promise<{reason?: string, points?: number, username?: string, displayName?: string | null} | null>}
 */
export function ask(title, options) {
  const dialog = $("ask");
  if (!dialog.showModal) return Promise.resolve(askByPrompts(title, options));
  const form = $("ask-form");
  form.reset();
  $("ask-title").textContent = title;
  $("ask-points").hidden = form.points.disabled = !options.points;
  $("ask-names").hidden = form.username.disabled = form.displayName.disabled = !options.names;
  form.username.value = options.names?.username ?? "";
  form.displayName.value = options.names?.displayName ?? "";
  form.reason.required = options.needsReason;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    const close = () => resolve(dialog.returnValue === "yes" ? bodyOf(form, options) : null);
    dialog.addEventListener("close", close, { once: true });
  });
}

function bodyOf(form, { points, names }) {
  const reason = form.reason.value.trim();
  return {
    ...(reason && { reason }),
    ...(points && { points: Number(form.points.value) }),
    ...(names && { username: form.username.value.trim(), displayName: form.displayName.value.trim() || null }),
  };
}

/** Asks the same where there is no <dialog>: Firefox and Safari have it since March 2022. */
function askByPrompts(title, { needsReason, points, names }) {
  const given = points ? prompt(`${title} Points, negative to take some:`) : "";
  if (given === null || (points && !/^-?[0-9]{1,10}$/.test(given.trim()))) return null;
  const username = names && prompt(`${title} Name to sign in with:`, names.username);
  const displayName = names && prompt(`${title} Name on boards, empty for none:`, names.displayName ?? "");
  if (names && (!username?.trim() || displayName === null)) return null;
  const reason = prompt(`${title} ${needsReason ? "Reason:" : "Reason, if there is one:"}`)?.trim().slice(0, 500);
  if (reason === undefined || (needsReason && !reason)) return null;
  return {
    ...(reason && { reason }),
    ...(points && { points: Number(given) }),
    ...(names && { username: username.trim(), displayName: displayName.trim() || null }),
  };
}
