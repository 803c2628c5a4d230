/** The own actions, newest first, and what became of each. */

import { call } from "./api.js";
import { $, copyOf } from "./elements.js";
import { grouped } from "./numbers.js";
import { session } from "./session.js";
import { titleOf } from "./types.js";
import { locale, t } from "./words.js";

/** @typedef {import("./play.js").Action} Action */

const PAGE = 10;
const OUTCOMES = {
  started: ["player.open", ""],
  cancelled: ["player.cancelled", ""],
  pending: ["player.being-checked", ""],
  held: ["player.held", "held"],
  reversed: ["player.taken-back", "held"],
};
const when = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });

/** @type {Action[]} */
let actions = [];
/** @type {string | null} */
let cursor = null; // of the page after the last one shown
let asked = 0; // rises with each request for the newest: an answer that is overtaken is left

/**
 * Asks for the newest, if the list is open. Older ones that are shown stay if the page reaches them; if more than a page
 * is new, the list begins again with the newest, since it would have a hole otherwise.
 */
export async function loadHistory() {
  if (!session || !$("history").open) return;
  const mine = ++asked;
  const page = await ask(null);
  if (!page || mine !== asked) return;
  const shown = new Set(actions.map((action) => action.actionId));
  const joined = page.nextCursor !== null && page.items.some((action) => shown.has(action.actionId));
  const last = page.items[page.items.length - 1]?.actionId;
  const older = joined ? actions.filter((action) => action.actionId < last) : []; // ids begin with their time
  if (!older.length) cursor = page.nextCursor;
  write([...page.items, ...older]);
}

/** Asks for those before the last one shown. */
export async function loadOlder() {
  const before = cursor;
  const page = await ask(before);
  if (!page || before !== cursor) return; // the list has begun again meanwhile
  cursor = page.nextCursor;
  write([...actions, ...page.items]);
}

export function forgetHistory() {
  cursor = null;
  $("history").open = false;
  write([]);
}

/** The list stands by itself: when this fails, the next change asks again. */
async function ask(before) {
  const { userId } = session;
  const after = before ? `&cursor=${before}` : "";
  const { data } = await call("GET", `/users/${userId}/actions?limit=${PAGE}${after}`).catch(() => ({ data: null }));
  return session?.userId === userId ? data : null;
}

function write(next) {
  actions = next;
  $("actions").replaceChildren(...actions.map(item));
  $("no-actions").hidden = actions.length > 0;
  $("older").hidden = !cursor;
}

/** @param {any} action */
function item({ type, status, settlement, score, startAt }) {
  const row = copyOf("action");
  const [key, tone] = OUTCOMES[settlement ?? status] ?? [null, "good"];
  row.querySelector(".action-type").textContent = titleOf(type);
  const time = row.querySelector("time");
  time.dateTime = startAt;
  time.textContent = when.format(new Date(startAt));
  const outcome = row.querySelector(".action-outcome");
  outcome.textContent = key ? t(key) : `+${grouped(score ?? 0)}`;
  outcome.dataset.tone = tone;
  return row;
}
