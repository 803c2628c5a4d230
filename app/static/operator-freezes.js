/** The boards on the operator's page: frozen, thawed, and revealed place by place. */

import { call } from "./api.js";
import { $ } from "./elements.js";
import { attend, say } from "./messages.js";
import { ask } from "./operator-ask.js";
import { act, element, item } from "./operator-items.js";

/**
 * @typedef {{board: string, title: string, period?: string, frozen: boolean, frozenFrom: string | null,
 *   thawedAt: string | null, revealed?: number, places?: number}} Freeze
 */

let told = ""; // what the list shows: it is written anew only when something has changed, under no hand

/** Shows every board, and what is frozen of it. */
export async function loadFreezes() {
  const { data } = await call("GET", "/admin/boards", { tries: 2 });
  const now = JSON.stringify(data.items);
  if (now === told) return;
  told = now;
  $("freezes").replaceChildren(...data.items.map(boardItem));
}

/** Takes the list off the page. */
export function forgetFreezes() {
  told = "";
  $("freezes").replaceChildren();
}

/** @param {Freeze} board */
function boardItem(board) {
  const name = board.period ? `${board.title}, ${board.period}` : board.title;
  const doing = (verb, title, about) => act(verb, name, () => change(board, name, verb.split(" ")[0].toLowerCase(), title, about));
  if (!board.frozen) {
    const planned = board.frozenFrom !== null;
    const acts = [doing("Freeze", `Freeze ${name} now?`, "is frozen")];
    if (planned) acts.push(doing("Thaw", `Call the freeze of ${name} off?`, "will not freeze"));
    return item(name, [planned ? `will be frozen from ${written(board.frozenFrom)}` : "is shown as it is"], acts);
  }
  const since = `frozen since ${written(board.frozenFrom)}`;
  const state = board.places ? `${since} · ${board.revealed} of ${board.places} places are revealed` : since;
  return item(
    name,
    [state],
    [
      doing("Reveal next place", `Reveal the next place of ${name}?`, "shows its next place"),
      doing("Thaw", `Show ${name} as it is?`, "is shown as it is"),
    ],
  );
}

async function change({ board, period }, name, verb, title, about) {
  const answer = await ask(title, { needsReason: true });
  if (!answer) return;
  await call("POST", `/admin/boards/${encodeURIComponent(board)}/${verb}`, { body: { ...answer, ...(period && { period }) } });
  say($("message"), `Done: ${name} ${about}.`, "good");
  await loadFreezes();
}

const written = (moment) => new Date(moment).toLocaleString();

/** Freezes every board that is not frozen: what the same actions earn on another board would be seen there. */
async function freezeAll() {
  const answer = await ask("Freeze all boards now?", { needsReason: true });
  if (!answer) return;
  const { data } = await call("GET", "/admin/boards");
  for (const { board, period, frozen } of data.items) {
    if (!frozen) await call("POST", `/admin/boards/${encodeURIComponent(board)}/freeze`, { body: { ...answer, ...(period && { period }) } });
  }
  say($("message"), "Done: all boards are frozen.", "good");
  await loadFreezes();
}

$("freeze-all").addEventListener("click", () => attend($("freeze-all"), $("message"), freezeAll));
