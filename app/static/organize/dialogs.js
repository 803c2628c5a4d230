/** Dialogs: for what can't be undone, and for what needs more than a tap. */

import { $, filledIn } from "../elements.js";

/**
 * Shows a dialog until its form is sent or left.
 *
 * @param {any} dialog with one form, whose button of class `leave` leaves it
 * @returns {Promise<Record<string, any> | null>} what the form holds; null when it was left
 */
export function fill(dialog) {
  const form = dialog.querySelector("form");
  const before = /** @type {HTMLElement} */ (document.activeElement);
  return new Promise((resolve) => {
    const leave = (values) => {
      dialog.onclose = form.onsubmit = null;
      // Where <dialog> is unknown, in browsers before March 2022, it is an element that is shown or not.
      if (dialog.showModal) dialog.close();
      else dialog.removeAttribute("open");
      if (before?.isConnected) before.focus();
      resolve(values);
    };
    form.onsubmit = (event) => {
      event.preventDefault();
      leave(filledIn(form));
    };
    form.querySelector(".leave").onclick = () => leave(null);
    dialog.onclose = () => leave(null);
    if (dialog.showModal) dialog.showModal();
    else dialog.setAttribute("open", "");
    form.querySelector("input:not([disabled]):not([hidden])")?.focus();
  });
}

/**
 * Asks for what a change needs, and why.
 *
 * @param {string} title
 * @param {{names?: {username: string, displayName: string | null}, about?: string, danger?: boolean}} [options]
 *   `names`: those that the user has, to be changed
 * @returns {Promise<Record<string, any> | null>} the body of the change
 */
export async function ask(title, { names, about = "", danger = false } = {}) {
  const form = $("ask-form");
  form.reset();
  $("ask-title").textContent = title;
  $("ask-about").textContent = about;
  $("ask-names").hidden = form.username.disabled = form.displayName.disabled = !names;
  form.username.value = names?.username ?? "";
  form.displayName.value = names?.displayName ?? "";
  form.querySelector(".go").classList.toggle("danger", danger);
  const values = await fill($("ask"));
  if (!values) return null;
  const { reason, username, displayName } = values;
  return { reason: reason.trim(), ...(names && { username: username.trim(), displayName: displayName.trim() || null }) };
}
