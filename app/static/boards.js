/** The boards that there are: their rules, and which period is present, as the service tells. */

import { call, clockSkew } from "./api.js";

/**
 * @typedef {object} BoardInfo
 * @property {string} board
 * @property {string} title
 * @property {"all" | "daily" | "weekly" | "monthly" | "season"} window
 * @property {string} zone
 * @property {string} [from] of a season
 * @property {string} [to] of a season
 * @property {"sum" | "best" | "latest"} by
 * @property {"highest" | "lowest"} order
 * @property {string} [unit]
 * @property {number} top
 * @property {boolean} frozen
 * @property {string} [frozenSince]
 * @property {number} [revealed] of its places, while they are revealed
 * @property {number} [places]
 * @property {string} [period] the label of the present period
 * @property {string} [startsAt] of the present period
 * @property {string} [endsAt]
 */

const EVERY_MS = 60_000;
const RETRY_MS = 5_000;
const CROWD_MS = 2_000; // not everybody asks in the second in which a period begins

/** @type {BoardInfo[]} none: not told yet */
export let boards = [];
let told = () => {};
let timer;
let asking = false;
let soon = false;

/** Sets what to do whenever the boards were told. */
export function onBoards(callback) {
  told = callback;
}

/** @returns {BoardInfo | undefined} */
export const infoOf = (board) => boards.find((info) => info.board === board);

/** The time by the server's clock. */
export const serverNow = () => Date.now() + clockSkew;

/** Asks for the boards, and asks again now and then, and when a period ends, as long as the page is looked at. */
export async function loadBoards() {
  clearTimeout(timer);
  if (asking || document.hidden) return;
  asking = true;
  soon = false;
  const { data } = await call("GET", "/boards").catch(() => ({ data: null }));
  asking = false;
  timer = setTimeout(loadBoards, data ? untilNext(data.items) : RETRY_MS);
  if (!data) return;
  boards = data.items;
  told();
}

/** Asks a little later, since a period may have ended. */
export function loadBoardsSoon() {
  if (soon) return;
  soon = true;
  clearTimeout(timer);
  timer = setTimeout(loadBoards, Math.random() * CROWD_MS);
}

/** @param {BoardInfo[]} items */
function untilNext(items) {
  const ends = items.map(({ endsAt }) => Date.parse(endsAt || "") - serverNow()).filter((ms) => ms > 0);
  return Math.min(EVERY_MS, ...ends.map((ms) => ms + 500 + Math.random() * CROWD_MS));
}
