/** Copying what a field holds. */

import { $ } from "../elements.js";
import { say } from "../messages.js";
import { t } from "../words.js";

/** @param {HTMLInputElement | HTMLTextAreaElement} field */
export async function copyField(field) {
  field.select();
  // The clipboard is there over https and on this machine alone; the older way works wherever a field is selected.
  const copied = navigator.clipboard
    ? await navigator.clipboard.writeText(field.value).then(() => true, () => false)
    : document.execCommand("copy");
  say($("message"), t(copied ? "organizer.copied" : "organizer.copy-by-hand"), copied ? "good" : "");
}
