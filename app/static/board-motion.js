/** How a board moves: rows glide to their new places, and who climbs is marked for a while. */

import { calm } from "./elements.js";

/** @typedef {import("./scoreboard.js").Entry} Entry */

const GLIDE = { duration: 550, easing: "cubic-bezier(.2, .8, .2, 1)" };
const FLASH = { duration: 2_400, easing: "ease-out", pseudoElement: "::before" };
const MARK_MS = 6_000;

/** Whether there is somebody to move for. */
export const moves = () => !calm.matches && !document.hidden;

/** Where rows are seen right now, in the middle of a glide too. @param {Iterable<[string, HTMLElement]>} rows */
export const topsOf = (rows) => new Map([...rows].map(([id, row]) => [id, row.getBoundingClientRect().top]));

/**
 * Lets rows glide from where they were seen to where they now are. All are measured before any is moved: to measure
 * after each would lay the page out as often.
 * @param {Map<string, HTMLElement>} rows
 * @param {Map<string, number>} before by `topsOf`
 */
export function glide(rows, before) {
  for (const row of rows.values()) row.getAnimations().forEach((animation) => animation.cancel());
  const after = topsOf(rows);
  for (const [id, row] of rows) {
    const [old, now] = [before.get(id), after.get(id)];
    if (old === undefined) {
      row.animate([{ opacity: 0, transform: "translateX(-1.5rem)" }, { opacity: 1, transform: "none" }], GLIDE);
    } else if (old !== now) {
      const zIndex = old > now ? 1 : 0; // who climbs passes over who falls
      row.animate([{ zIndex, transform: `translateY(${old - now}px)` }, { zIndex, transform: "none" }], GLIDE);
    }
  }
}

/** Marks a newcomer or a climber for a few seconds. @param {Entry} entry @param {Entry} [old] the one until now */
export function mark(row, entry, old) {
  if (old && old.rank <= entry.rank) return;
  const element = row.querySelector(".mark");
  element.textContent = old ? `▲ ${old.rank - entry.rank}` : "new";
  element.getAnimations().forEach((animation) => animation.cancel());
  const shown = element.animate([{ opacity: 1 }, { opacity: 1, offset: 0.85 }, { opacity: 0 }], MARK_MS);
  shown.onfinish = () => (element.textContent = ""); // the name has the place again
  if (moves()) for (const cell of row.cells) cell.animate([{ opacity: 1 }, { opacity: 0 }], FLASH);
}
