/** Menus behind three dots: `<details>`, of which one is open at a time, closed by Escape and by a click elsewhere. */

import { t } from "../words.js";
import { element } from "./elements.js";

/** @param {string} about whose menu it is @param {HTMLElement[]} acts */
export function menu(about, acts) {
  const dots = element("summary", "", "⋯");
  dots.setAttribute("aria-label", t("organizer.more-about", { name: about }));
  const made = element("details", "menu", dots, element("div", "menu-items", ...acts));
  made.lastElementChild.addEventListener("click", ({ target }) => target.closest("button") && close(made));
  return made;
}

function close(open) {
  const inside = open.contains(document.activeElement);
  open.open = false;
  if (inside) open.querySelector("summary").focus();
}

/** Closes menus that are left. */
export function watchMenus() {
  const others = (kept) => document.querySelectorAll("details.menu[open]").forEach((it) => it !== kept && close(it));
  document.addEventListener("click", ({ target }) => others(/** @type {Element} */ (target).closest("details.menu")));
  document.addEventListener("keydown", ({ key }) => key === "Escape" && others(null));
}
