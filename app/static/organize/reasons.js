/** A row of reasons under what was pressed: one tap is the reason and the decision. */

import { $ } from "../elements.js";
import { attend } from "../messages.js";
import { t } from "../words.js";
import { act, element } from "./elements.js";

const LONGEST = 500;

/** The reasons that are offered, by what is to be done; each is a word of the page. */
const OFFERED = {
  reverse: ["organizer.reason-too-fast", "organizer.reason-shared-account", "organizer.reason-cheated", "organizer.reason-test"],
  suspend: ["organizer.reason-too-fast", "organizer.reason-shared-account", "organizer.reason-bad-name", "organizer.reason-cheated"],
  freeze: ["organizer.reason-finish", "organizer.reason-break", "organizer.reason-check"],
  show: ["organizer.reason-ceremony", "organizer.reason-mistake"],
};

/**
 * Asks why below `anchor`, and does it; Escape and "Cancel" leave it.
 *
 * @param {HTMLElement} anchor what the row is put into
 * @param {keyof typeof OFFERED} verb
 * @param {string} title what is going to be done
 * @param {(reason: string) => Promise<void>} work
 * @param {HTMLElement} from where the focus goes back to
 */
export function askReason(anchor, verb, title, work, from) {
  document.querySelectorAll(".reasons").forEach((it) => it.remove());
  const row = element("div", "reasons", element("span", "quiet", title));
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", title);
  const leave = () => {
    row.remove();
    if (from.isConnected) from.focus();
  };
  const decide = async (reason) => {
    await work(reason);
    leave();
  };
  const chips = OFFERED[verb].map((key) => {
    const words = t(key);
    return act(words, "", () => decide(words), "chip");
  });
  const other = act(t("organizer.reason-other"), "", async () => other.replaceWith(...free(row, decide)), "chip");
  row.append(...chips, other, act(t("organizer.cancel"), "", async () => leave(), "plain"));
  row.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    leave();
  });
  anchor.append(row);
  chips[0].focus();
}

/** A reason in one's own words. */
function free(row, decide) {
  const field = element("input", "");
  field.maxLength = LONGEST;
  field.setAttribute("aria-label", t("organizer.reason"));
  const button = act(t("organizer.do-it"), "", async () => field.value.trim() && decide(field.value.trim()), "small go");
  field.addEventListener("keydown", ({ key }) => {
    if (key === "Enter" && field.value.trim()) attend(button, $("message"), () => decide(field.value.trim()));
  });
  queueMicrotask(() => row.isConnected && field.focus());
  return [field, button];
}
