/** "Boards": each with its freeze, revealed place by place, and its periods. */

import { $ } from "../elements.js";
import { t } from "../words.js";
import { desk, onDesk } from "./desk.js";
import { act, bare, element, onSubmit } from "./elements.js";
import { change, freezeEach, loadFreezes, thawEach, titleOf } from "./freezes.js";
import { periodsOf } from "./periods.js";
import { askReason } from "./reasons.js";
import { showRows } from "./rows.js";
import { clockOf, momentOf } from "./times.js";
import { done } from "./toast.js";

/** @typedef {import("./desk.js").Desk["boards"][number]} Freeze */

function show() {
  showRows($("freezes"), desk.boards, (it) => `${it.board} ${it.period ?? ""}`, boardItem);
  $("freeze-all").hidden = !desk.boards.some((it) => !it.frozen);
  const { board } = $("freeze-later-form");
  const wanted = desk.boards.filter((it) => !it.frozen).map((it) => it.board);
  if ([...board.options].map((it) => it.value).join() !== wanted.join()) {
    board.replaceChildren(...desk.boards.filter((it) => !it.frozen).map((it) => new Option(titleOf(it), it.board)));
  }
}

/** @param {Freeze} board */
function boardItem(board) {
  const name = titleOf(board);
  const made = element("li", "", element("strong", "", bare(name)), element("span", "quiet", stateOf(board)));
  const acts = board.frozen
    ? [
        act(t("organizer.reveal-next"), name, () => reveal(board), "small go"),
        act(t("organizer.thaw"), name, async (button) => askShow(made, board, button), "small"),
      ]
    : [act(t("organizer.freeze"), name, async (button) => askFreeze(made, [board], button), "small")];
  if (!board.frozen && board.frozenFrom) acts.push(act(t("organizer.call-off"), name, () => callOff(board), "small"));
  const rest = element("div", "acts", ...acts);
  made.append(rest, periodsOf(board));
  return made;
}

/** @param {Freeze} board */
function stateOf({ frozen, frozenFrom, places, revealed }) {
  if (!frozen) return frozenFrom ? t("organizer.will-freeze", { at: clockOf(frozenFrom) }) : t("organizer.shown-as-is");
  const since = t("organizer.frozen-since", { at: clockOf(frozenFrom) });
  return places ? `${since} · ${t("organizer.revealed-of", { revealed, places })}` : since;
}

/** @param {HTMLElement} anchor @param {Freeze[]} boards @param {HTMLElement} from */
function askFreeze(anchor, boards, from) {
  askReason(anchor, "freeze", t("organizer.why-freeze", { count: boards.length }), async (reason) => {
    await freezeEach(boards, reason);
    await loadFreezes();
    done(t("organizer.boards-frozen", { count: boards.length }), async () => {
      await thawEach(boards, t("organizer.undone"));
      await loadFreezes();
    });
  }, from);
}

/** What is shown was seen: there is no way back, so it asks why first. */
function askShow(anchor, board, from) {
  askReason(anchor, "show", t("organizer.why-show", { name: titleOf(board) }), async (reason) => {
    await change(board, "thaw", { reason });
    await loadFreezes();
    done(t("organizer.board-shown", { name: titleOf(board) }));
  }, from);
}

/** The steps of a ceremony follow one another: each is one tap. */
async function reveal(board) {
  await change(board, "reveal", { reason: t("organizer.reason-ceremony") });
  await loadFreezes();
  done(t("organizer.place-revealed", { name: titleOf(board) }));
}

async function callOff(board) {
  const { frozenFrom: at } = board;
  await change(board, "thaw", { reason: t("organizer.called-off") });
  await loadFreezes();
  done(t("organizer.called-off"), async () => {
    await change(board, "freeze", { reason: t("organizer.undone"), at });
    await loadFreezes();
  });
}

async function planFreeze({ board, at, reason }) {
  const planned = desk.boards.find((it) => it.board === board && !it.frozen);
  await change(planned, "freeze", { reason: reason.trim(), at: momentOf(at) });
  $("freeze-later-form").reset();
  await loadFreezes();
  done(t("organizer.will-freeze", { at: clockOf(momentOf(at)) }), async () => {
    await change(planned, "thaw", { reason: t("organizer.undone") });
    await loadFreezes();
  });
}

/** Keeps the list true. */
export function watchBoardList() {
  onDesk(show);
  $("freeze-all").addEventListener("click", () => askFreeze($("freeze-all-question"), desk.boards.filter((it) => !it.frozen), $("freeze-all")));
  onSubmit($("freeze-later-form"), $("message"), planFreeze);
}
