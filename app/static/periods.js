/** The choice among the periods of a board: the present one, and those that are over. */

import { call } from "./api.js";
import { infoOf } from "./boards.js";
import { choose, chosen } from "./chosen.js";
import { $ } from "./elements.js";
import { nameOfPeriod } from "./period-names.js";
import { t } from "./words.js";

const PAGE = 50;
const OLDER = "…"; // no period is called so

/** @typedef {{period: string, startsAt: string, endsAt: string, final: boolean}} Period */

/** @type {Period[]} of one board, newest first */
let periods = [];
let loadedFor = ""; // that board, and its present period
/** @type {string | null} */
let cursor = null;
let asked = 0;

/** @returns {Period | undefined} the one that is looked at, if it is over */
export const chosenPeriod = () => periods.find(({ period }) => period === chosen.period);

/** Shows what can be chosen, and asks for it when the board is another one, or has begun another period. */
export async function showPeriods() {
  const info = infoOf(chosen.board);
  const has = Boolean(info && !["all", "season"].includes(info.window));
  $("periods").hidden = !has;
  if (!has) return;
  const wanted = `${info.board} ${info.period}`;
  if (loadedFor !== wanted) await load(info, wanted);
  else write(info);
}

/** Asks for those before the oldest one that is there. */
async function loadOlder() {
  const info = infoOf(chosen.board);
  if (info && cursor && !(await ask(info, periods, cursor))) write(info);
}

async function load(info, wanted) {
  if (!loadedFor.startsWith(`${info.board} `)) write(info, []);
  if (await ask(info, [], null)) loadedFor = wanted;
}

async function ask(info, before, after) {
  const mine = ++asked;
  const path = `/boards/${encodeURIComponent(info.board)}/periods?limit=${PAGE}`;
  const { data } = await call("GET", after ? `${path}&cursor=${after}` : path).catch(() => ({ data: null }));
  if (!data || mine !== asked || info.board !== chosen.board) return false;
  cursor = data.nextCursor ?? null;
  write(info, [...before, ...data.items]);
  return true;
}

function write(info, next = periods) {
  periods = next;
  /** @type {{period: string, startsAt?: string, endsAt?: string}[]} */
  const over = periods.filter(({ period }) => period !== info.period);
  // One that the address names may be further back than what was asked for.
  if (chosen.period && !chosenPeriod() && chosen.period !== info.period) over.push({ period: chosen.period });
  const options = [new Option(t("player.now"), ""), ...over.map((it) => new Option(nameOfPeriod(info, it), it.period))];
  if (cursor) options.push(new Option(t("player.older-periods"), OLDER));
  const same = options.map(({ text }) => text).join("\n") === [...$("period").options].map(({ text }) => text).join("\n");
  if (!same) $("period").replaceChildren(...options); // it may be open
  $("period").value = chosen.period === info.period ? "" : (chosen.period ?? "");
}

export function watchPeriods() {
  $("period").addEventListener("change", async () => {
    const { value } = $("period");
    if (value !== OLDER) return choose(chosen.board, value || null);
    await loadOlder();
    $("period").focus();
  });
}
