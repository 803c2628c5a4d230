/** The tabs, one for each board; with one board there are none. */

import { boards } from "./boards.js";
import { choose, chosen } from "./chosen.js";
import { $ } from "./elements.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

/** Draws the tabs anew, and says which one is up. */
export function showTabs() {
  const list = $("boards");
  const several = boards.length > 1;
  list.hidden = !several;
  list.closest(".board").classList.toggle("tabbed", several);
  if (!several) return standAlone();
  if (list.children.length !== boards.length) list.replaceChildren(...boards.map(() => document.createElement("button")));
  boards.forEach((info, at) => dress(list.children[at], info));
  const up = list.querySelector('[aria-selected="true"]');
  // One of them is reached by the Tab key, the others by the arrows.
  for (const tab of list.children) tab.tabIndex = tab === (up ?? list.firstElementChild) ? 0 : -1;
  $("panel").setAttribute("role", "tabpanel");
  if (up) $("panel").setAttribute("aria-labelledby", up.id);
  else $("panel").setAttribute("aria-labelledby", "board-title");
  if (up) bringIntoSight(list, up);
}

function standAlone() {
  $("panel").removeAttribute("role");
  $("panel").removeAttribute("aria-labelledby");
}

function dress(tab, { board, title }) {
  tab.type = "button";
  tab.id = `tab-${board}`;
  tab.textContent = title;
  tab.dir = "auto";
  tab.dataset.board = board;
  tab.setAttribute("role", "tab");
  tab.setAttribute("aria-controls", "panel");
  tab.setAttribute("aria-selected", String(board === chosen.board));
}

/** Without moving the page. */
function bringIntoSight(list, tab) {
  const [all, one] = [list.getBoundingClientRect(), tab.getBoundingClientRect()];
  if (one.left < all.left) list.scrollLeft -= all.left - one.left;
  else if (one.right > all.right) list.scrollLeft += one.right - all.right;
}

function onKey(event) {
  const step = STEPS[event.key];
  if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
  const tabs = [...$("boards").children];
  const at = tabs.indexOf(document.activeElement);
  const next = Number.isFinite(step) ? (at + step + tabs.length) % tabs.length : step < 0 ? 0 : tabs.length - 1;
  event.preventDefault();
  tabs[next].focus();
}

/** Lets a tab be chosen by a click or by the keyboard: arrows go along, Enter and Space choose. */
export function watchTabs() {
  $("boards").addEventListener("keydown", onKey);
  $("boards").addEventListener("click", ({ target }) => {
    const { board } = target.closest("[role=tab]")?.dataset ?? {};
    if (board) choose(board);
  });
}
