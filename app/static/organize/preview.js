/** The board as everybody sees it, beside the rest: followed as every screen follows it. */

import "../score-board.js";

import { call } from "../api.js";
import { $ } from "../elements.js";
import { currentToken, session } from "../session.js";
import { sourceOf } from "../source.js";
import { desk, onDesk } from "./desk.js";
import { beat } from "./pulse.js";
import { isUp } from "./sections.js";

const RULES_MS = 30_000;

/** @type {import("../source.js").Source | null} */
let source = null;
/** @type {Map<string, any>} how values are written, by board */
let rules = new Map();

const chosen = () => $("chosen-board").value || "all-time";

/** Follows the chosen board as long as somebody is signed in. */
function follow() {
  if (!session) {
    source?.close();
    source = null;
  } else if (!source) {
    source = sourceOf({ board: chosen(), token: currentToken });
    source.subscribe((board) => board && board.board === chosen() && $("preview").show(board));
  }
}

/** Reads how values are written: rarely, and when a board is shown of which that is unknown. */
async function loadRules() {
  rules = new Map((await call("GET", "/boards", { tries: 2 })).data.items.map((it) => [it.board, it]));
  $("preview").rule = rules.get(chosen()) ?? {};
}

/** Turns to another board. */
function turn() {
  $("preview").clear(rules.get(chosen()) ?? {});
  source?.turnTo(chosen());
}

/** Offers the boards that there are; with one there is nothing to choose. */
function offer() {
  const choice = $("chosen-board");
  const boards = [...new Map(desk.boards.map((it) => [it.board, it.title]))];
  choice.hidden = boards.length < 2;
  if ([...choice.options].map((it) => it.value).join() === boards.map(([id]) => id).join()) return;
  const before = chosen();
  choice.replaceChildren(...boards.map(([id, title]) => new Option(title, id)));
  choice.value = boards.some(([id]) => id === before) ? before : (boards[0]?.[0] ?? "");
  if (chosen() !== before) turn();
}

export function watchPreview() {
  onDesk(() => {
    offer();
    follow();
  });
  $("chosen-board").addEventListener("change", turn);
  beat(RULES_MS, loadRules, () => isUp("now", "boards"));
}
