/** Which board is looked at, and which of its periods: kept in the address, which can be sent, and gone back from. */

export const ALL_TIME = "all-time";

/** @typedef {{board: string, period: string | null}} Choice `period` null: the present one, whichever that is */

/** @type {Choice} */
export let chosen = read();
let changed = () => {};

/** Sets what to do when another board or period is looked at. */
export function onChoice(callback) {
  changed = callback;
}

/** Looks at another board, or at another period of it. */
export function choose(board, period = null) {
  const address = new URL(location.href);
  put(address, "board", board === ALL_TIME ? null : board);
  put(address, "period", period);
  if (address.href === location.href) return;
  history.pushState(null, "", address);
  take();
}

/** @returns {Choice} */
function read() {
  const asked = new URLSearchParams(location.search);
  return { board: asked.get("board") || ALL_TIME, period: asked.get("period") || null };
}

/** @param {URL} address @param {string} name @param {string | null} value */
function put(address, name, value) {
  if (value === null) address.searchParams.delete(name);
  else address.searchParams.set(name, value);
}

function take() {
  const next = read();
  if (next.board === chosen.board && next.period === chosen.period) return;
  chosen = next;
  changed();
}

addEventListener("popstate", take);
