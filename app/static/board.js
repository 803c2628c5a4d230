/** The board: rows that glide to their new places, count up, and are marked when they climb. */

import { isNewer } from "./scoreboard.js";
import { $, calm, copyOf } from "./elements.js";
import { nameOf } from "./names.js";
import { countTo, grouped } from "./numbers.js";
import { session } from "./session.js";

/** @typedef {import("./scoreboard.js").Entry} Entry */
/** @typedef {{epoch: string, version: number, payload: Entry[], timestamp: string}} Board */

const GLIDE = { duration: 550, easing: "cubic-bezier(.2, .8, .2, 1)" };
const MARK_MS = 6_000;
const FLASH = { duration: 2_400, easing: "ease-out" };

/** @type {Board | null} */
export let shown = null;
/** @type {Map<string, HTMLTableRowElement>} */
const rows = new Map();

/** @returns {Entry | undefined} the entry of the one who is signed in */
export const ownEntry = (payload = shown?.payload) => payload?.find((entry) => entry.userId === session?.userId);

/**
 * Shows a board, unless a newer one is up.
 * @param {Board} board
 * @returns {boolean} whether it is shown
 */
export function show(board) {
  if (board.version >= 0 && !isNewer(shown, board)) return false;
  const before = shown && new Map(shown.payload.map((entry) => [entry.userId, entry]));
  shown = board;
  $("empty").textContent = "Nobody has scored yet. Be the first!";
  $("empty").hidden = board.payload.length > 0;
  showTime(new Date(board.timestamp));
  draw(board.payload, before);
  return true;
}

/** Draws the board again, after a sign-in or sign-out. */
export function redraw() {
  if (shown) draw(shown.payload);
}

/** Says why there is no board to show. */
export function showAbsence(text) {
  $("empty").textContent = text;
}

function showTime(time) {
  const today = time.toDateString() === new Date().toDateString();
  $("updated").dateTime = time.toISOString();
  $("updated").textContent = today ? time.toLocaleTimeString() : time.toLocaleString();
}

/**
 * Brings the rows in line with a board and lets them glide: each is put where it belongs, moved back by a transform,
 * and let go.
 * @param {Entry[]} payload
 * @param {Map<string, Entry> | null} [before] the board until now; null or none: no marks
 */
function draw(payload, before = null) {
  const tops = new Map([...rows].map(([id, row]) => [id, row.getBoundingClientRect().top]));
  for (const [id, row] of rows) {
    if (payload.some((entry) => entry.userId === id)) continue;
    row.remove();
    rows.delete(id);
  }
  const longest = Math.max(...payload.map((entry) => grouped(entry.score).length), 0);
  $("rows").parentElement.style.setProperty("--digits", String(longest));
  payload.forEach((entry, index) => {
    const row = rows.get(entry.userId) ?? copyOf("row");
    rows.set(entry.userId, row);
    // Only rows out of place are touched: to reinsert one would cut its bar's transition short.
    if ($("rows").children[index] !== row) $("rows").insertBefore(row, $("rows").children[index] ?? null);
    fillRow(row, entry);
    if (before) mark(row, entry, before.get(entry.userId));
  });
  for (const row of rows.values()) row.getAnimations().forEach((animation) => animation.cancel());
  if (before && !calm.matches && !document.hidden) for (const [id, row] of rows) glide(row, tops.get(id));
}

/** Writes an entry into a row, here or below the ten. */
export function fillRow(row, { userId, username, displayName, score, rank }) {
  const best = shown?.payload[0]?.score ?? 0;
  const own = userId === session?.userId;
  row.classList.toggle("own", own);
  row.querySelector(".you").hidden = !own;
  row.querySelector(".rank").dataset.rank = rank ?? "";
  row.querySelector(".rank span").textContent = rank ?? "–";
  row.querySelector(".name").textContent = nameOf({ username, displayName });
  row.querySelector(".name").title = displayName ? `${displayName} (${username})` : username;
  row.querySelector(".username").textContent = username;
  row.querySelector(".username").hidden = !displayName;
  row.querySelector(".bar").style.setProperty("--share", String(best > 0 ? score / best : 0));
  countTo(row.querySelector(".score"), score);
}

function glide(row, oldTop) {
  if (oldTop === undefined) {
    row.animate([{ opacity: 0, transform: "translateX(-1.5rem)" }, { opacity: 1, transform: "none" }], GLIDE);
    return;
  }
  const distance = oldTop - row.getBoundingClientRect().top;
  if (!distance) return;
  // Who climbs passes over who falls.
  const zIndex = distance > 0 ? 1 : 0;
  row.animate([{ zIndex, transform: `translateY(${distance}px)` }, { zIndex, transform: "none" }], GLIDE);
}

/** Marks a newcomer or a climber for a few seconds. */
function mark(row, entry, old) {
  if (old && old.rank <= entry.rank) return;
  const element = row.querySelector(".mark");
  element.textContent = old ? `▲ ${old.rank - entry.rank}` : "new";
  element.getAnimations().forEach((animation) => animation.cancel());
  const shown = element.animate([{ opacity: 1 }, { opacity: 1, offset: 0.85 }, { opacity: 0 }], MARK_MS);
  shown.onfinish = () => (element.textContent = ""); // the name has the place again
  if (calm.matches) return;
  const color = getComputedStyle(row).getPropertyValue("--climb");
  for (const cell of row.cells) cell.animate([{ backgroundColor: color }], FLASH);
}
