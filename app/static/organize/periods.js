/** The periods of a board, the newest first, each with its way to the page and to a file. */

import { address, call } from "../api.js";
import { $ } from "../elements.js";
import { attend } from "../messages.js";
import { t } from "../words.js";
import { act, element } from "./elements.js";
import { saveStandings } from "./export.js";
import { clockOf } from "./times.js";

const LIMIT = 12;

/** @param {{board: string, title: string, period?: string}} board @returns {HTMLElement} a fold with them */
export function periodsOf(board) {
  if (!board.period) return element("div", "acts", act(t("organizer.save-standings"), board.title, () => saveStandings(board.board), "link"));
  const list = element("ul", "list plain");
  const fold = element("details", "", element("summary", "", t("organizer.periods")), list);
  fold.addEventListener("toggle", () => fold.open && attend(fold, $("message"), () => load(board, list)));
  return fold;
}

async function load({ board, title }, list) {
  const { data } = await call("GET", `/boards/${encodeURIComponent(board)}/periods?limit=${LIMIT}`, { tries: 2 });
  list.replaceChildren(...data.items.map((it) => periodItem(board, title, it)));
}

function periodItem(board, title, { period, startsAt, endsAt, final }) {
  const link = element("a", "", period);
  link.href = address(`/?${new URLSearchParams({ board, period })}`);
  const about = `${clockOf(startsAt)} – ${clockOf(endsAt)} · ${t(final ? "organizer.period-final" : "organizer.period-open")}`;
  return element("li", "", element("strong", "", link), element("span", "quiet", about), element("div", "acts", act(t("organizer.save-standings"), `${title}, ${period}`, () => saveStandings(board, period), "link")));
}
