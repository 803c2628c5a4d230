/** A row of a board: a place, who has it, and with what. */

import { nameOf } from "./names.js";
import { written } from "./values.js";
import { t } from "./words.js";

/**
 * @typedef {import("./sealed.js").Row} Row
 * @typedef {{unit?: string, order?: "highest" | "lowest"}} Rule what of a board's rules decides how its values look
 * @typedef {{ownId?: string | null, soughtId?: string | null}} Who whose rows are told apart
 * @typedef {Who & {rule: Rule, best: number}} Look `best`: the value on the first place
 */

/** @returns {HTMLTableRowElement} a row that nothing is written in yet */
export function makeRow() {
  const row = make("tr", "", "row");
  const [rank, player, score] = [make("td", "rank", "cell"), make("th", "player", "rowheader"), make("td", "score", "cell")];
  const who = make("span", "who");
  const [name, you, mark, bar] = [make("bdi", "name"), make("span", "you"), make("span", "mark"), make("span", "bar")];
  player.scope = "row";
  name.translate = false; // nobody's name is a word, whatever a browser takes it for
  for (const unheard of [mark, bar]) unheard.setAttribute("aria-hidden", "true");
  who.append(name, make("bdi", "username"), you, mark);
  rank.append(make("span"));
  player.append(who, make("small", "note"), bar);
  score.append(make("span", "value"));
  row.append(rank, player, score);
  return row;
}

/** @returns {any} */
function make(tag, className = "", role = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (role) element.setAttribute("role", role); // what is laid out as a grid is no table to a screen reader otherwise
  return element;
}

/**
 * Writes an entry into a row; what is there already is left alone.
 * @param {HTMLTableRowElement} row
 * @param {Row} entry
 * @param {Look} look
 * @param {string} [note] what there is to say of this place
 */
export function fillRow(row, { userId, username, displayName, score, rank, sealed }, { rule, best, ownId, soughtId }, note = "") {
  const own = Boolean(ownId) && userId === ownId;
  row.classList.toggle("own", own);
  row.classList.toggle("sought", Boolean(soughtId) && userId === soughtId);
  row.classList.toggle("sealed", Boolean(sealed));
  row.classList.toggle("next", sealed === "next");
  row.dataset.rank = rank ? String(rank) : "";
  write(part(row, "you"), t("board.you"));
  part(row, "you").hidden = !own;
  write(part(row, "rank").firstElementChild, rank ? String(rank) : "–");
  const name = part(row, "name");
  write(name, sealed ? t("board.not-revealed") : nameOf({ username, displayName }));
  name.title = displayName ? `${displayName} (${username})` : username;
  write(part(row, "username"), username);
  part(row, "username").hidden = !displayName;
  write(part(row, "note"), note);
  part(row, "bar").style.setProperty("--share", String(share(score, best, rule)));
  write(part(row, "value"), sealed ? "" : written(score, rule.unit));
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * How much of the bar a value fills: of the best one all, whether that is the highest or the lowest.
 * @param {number} score @param {number} best @param {Rule} rule
 */
function share(score, best, { order }) {
  const [part, whole] = order === "lowest" ? [best, score] : [score, best];
  return whole > 0 ? Math.min(1, Math.max(0, part / whole)) : 0;
}

/** @returns {any} */
const part = (row, name) => row.querySelector(`.${name}`);
