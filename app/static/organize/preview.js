/** The board as everybody sees it, beside the rest. */

import "../score-board.js";

import { call } from "../api.js";
import { $ } from "../elements.js";
import { desk, onDesk } from "./desk.js";
import { beat } from "./pulse.js";
import { isUp } from "./sections.js";

const EVERY_MS = 4_000;

async function load() {
  const board = $("chosen-board").value || "all-time";
  const [{ data, headers }, rule] = await Promise.all([call("GET", `/top-scores?board=${encodeURIComponent(board)}`, { tries: 2 }), ruleOf(board)]);
  if (board !== ($("chosen-board").value || "all-time")) return;
  const preview = $("preview");
  // While updates are paused every screen stands still, and so does this one.
  if (headers.get("Broadcasting") === "false" && preview.rule === rule) return;
  if (preview.rule !== rule) preview.clear(rule);
  preview.show({ payload: data, revealed: rule?.revealed, places: rule?.places });
}

/** @type {Map<string, any>} */
let rules = new Map();

async function ruleOf(board) {
  if (!rules.has(board)) rules = new Map((await call("GET", "/boards", { tries: 2 })).data.items.map((it) => [it.board, it]));
  return rules.get(board);
}

/** Offers the boards that there are; with one there is nothing to choose. */
function offer() {
  const choice = $("chosen-board");
  const boards = [...new Map(desk.boards.map((it) => [it.board, it.title]))];
  choice.hidden = boards.length < 2;
  if ([...choice.options].map((it) => it.value).join() === boards.map(([id]) => id).join()) return;
  const before = choice.value || "all-time";
  choice.replaceChildren(...boards.map(([id, title]) => new Option(title, id)));
  choice.value = boards.some(([id]) => id === before) ? before : (boards[0]?.[0] ?? "");
}

/** Follows the board while it is looked at. */
export function watchPreview() {
  onDesk(offer);
  $("chosen-board").addEventListener("change", load);
  beat(EVERY_MS, load, () => isUp("now", "boards"));
}
