/** The neighbours of a player below the board: one's own, where the board doesn't show them, or those of whoever was looked for. */

import "./score-board.js";
import { call } from "./api.js";
import { look, ownEntry } from "./board.js";
import { pathOf } from "./board-paths.js";
import { chosen } from "./chosen.js";
import { $ } from "./elements.js";
import { nameOf } from "./names.js";
import { profile } from "./profile.js";
import { session } from "./session.js";
import { t } from "./words.js";

const SHOWN = 5;
const EVERY_MS = 10_000;
const MOVED_MS = 2_000; // when the own place is known to be another one

/** @typedef {import("./scoreboard.js").Entry} Entry */

/** @type {Entry | null} who was looked for */
let sought = null;
let all = false; // places of the board are shown, too
let askedAt = -EVERY_MS;
/** @type {number | null} */
let shownRank = null; // one's own, among the neighbours
let asked = 0; // an answer that is overtaken is left
let timer;
let changed = () => {};
/** @type {Entry[]} */
let items = [];

/** Sets what to do when there are other neighbours. */
export function onNeighbours(callback) {
  changed = callback;
}

/** One's own, as far as they are known. @returns {Entry[]} */
export const neighbours = () => (sought ? [] : items);

const centreId = () => sought?.userId ?? (profile?.rank && !ownEntry() ? session?.userId : undefined);

/** Shows the neighbours of another player; null: of oneself again. @param {Entry | null} player */
export function seek(player) {
  sought = player;
  forgetAround();
  if (player) $("around-title").focus();
}

/** Begins anew: for somebody else, or on another board. */
export function forgetAround() {
  asked += 1;
  askedAt = -EVERY_MS;
  $("around-board").clear(look().rule);
  loadAround();
}

/** Asks again for neighbours that may have moved, but not all the time. */
export function loadAroundSoon() {
  clearTimeout(timer);
  const every = !sought && (profile?.rank ?? null) !== shownRank ? MOVED_MS : EVERY_MS;
  timer = setTimeout(loadAround, Math.max(0, askedAt + every - performance.now()));
}

async function loadAround() {
  clearTimeout(timer);
  if (document.hidden) return;
  const [centre, mine, board] = [centreId(), ++asked, chosen];
  if (!centre) return write([]);
  askedAt = performance.now();
  const path = pathOf(`around/${centre}`, { limit: SHOWN });
  const { data } = await call("GET", path).catch(({ status }) => ({ data: status === 404 ? { items: [] } : null }));
  if (data && mine === asked && board === chosen) write(data.items);
}

/** @param {Entry[]} next */
function write(next) {
  items = next;
  shownRank = items.find(({ userId }) => userId === session?.userId)?.rank ?? null;
  $("around").hidden = items.length === 0;
  $("around-title").textContent = sought ? t("player.around", { name: nameOf(sought) }) : t("player.around-you");
  $("around-close").hidden = !sought;
  const board = $("around-board");
  board.own = session?.userId;
  board.sought = sought?.userId;
  board.rule = look().rule;
  board.show({ payload: items });
  $("around").closest(".board").classList.toggle("near", items.length > 0);
  shorten();
  changed();
}

/** Shows the first places of the board alone, where others stand below it, unless all are wanted. */
function shorten() {
  $("board").classList.toggle("short", items.length > 0 && !all);
}

function toggleAll() {
  all = !all;
  shorten();
  $("more").setAttribute("aria-expanded", String(all));
  $("more").textContent = all ? t("player.fewer-places") : t("player.all-places");
}

export function watchAround() {
  $("more").addEventListener("click", toggleAll);
  $("around-close").addEventListener("click", () => {
    seek(null);
    $("find").name.focus();
  });
}
