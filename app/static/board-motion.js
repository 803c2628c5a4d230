/** How a board moves: rows glide to their new places, by transforms and opacity alone, which need no layout. */

import { calm } from "./elements.js";

const GLIDE = { duration: 700, easing: "cubic-bezier(.2, .8, .2, 1)" };

/** @typedef {Map<string, {row: HTMLElement, glide?: Animation}>} Rows by the ids of users */

/** Whether there is somebody to move for. */
export const moves = () => !calm.matches && !document.hidden;

/** Where rows are seen right now, in the middle of a glide too. @param {Rows} rows */
export const boxesOf = (rows) => new Map(Array.from(rows, ([id, { row }]) => [id, row.getBoundingClientRect()]));

/**
 * Lets rows glide from where they were seen to where they now are, and to the size they now have. All are measured
 * before any is moved: to measure after each would lay the page out as often.
 * @param {Rows} rows
 * @param {Map<string, DOMRect>} before by `boxesOf`
 */
export function glide(rows, before) {
  for (const it of rows.values()) if (it.glide) it.glide.cancel();
  const after = boxesOf(rows);
  rows.forEach((it, id) => {
    const [old, now] = [before.get(id), after.get(id)];
    if (!old) it.glide = it.row.animate([{ opacity: 0 }, { opacity: 1 }], GLIDE);
    else if (old.top !== now.top || old.left !== now.left) it.glide = it.row.animate(wayOf(old, now), GLIDE);
    else return;
    it.row.style.zIndex = old && old.top > now.top ? "1" : ""; // who climbs passes over who falls
  });
}

/** @param {DOMRect} old @param {DOMRect} now */
function wayOf(old, now) {
  const scale = old.width === now.width ? "" : ` scale(${old.width / now.width}, ${old.height / now.height})`;
  return [{ transform: `translate(${old.left - now.left}px, ${old.top - now.top}px)${scale}` }, { transform: "none" }];
}
