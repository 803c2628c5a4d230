/** The strip that stays: one's own place and points, and how far it is to the next place. */

import { look, ownEntry, shown } from "./board.js";
import { neighbours } from "./around.js";
import { $ } from "./elements.js";
import { nameOf } from "./names.js";
import { clearCount, countTo } from "./numbers.js";
import { profile } from "./profile.js";
import { session } from "./session.js";
import { spoken, written } from "./values.js";
import { t } from "./words.js";

let shownUnit;

/** Shows what is known: numbers of one moment, so that they change together. */
export function showStrip() {
  const { rank, score, totalScore } = profile ?? {};
  const { unit } = look().rule;
  $("player-name").textContent = session ? nameOf({ ...session, ...profile }) : "";
  $("player-name").title = session?.username ?? "";
  $("own-rank").textContent = rank ?? "–";
  if (unit !== shownUnit) clearCount($("own-score")); // a number that stays the same is not written again
  shownUnit = unit;
  const none = Boolean(unit && !score && !rank); // a socket tells 0 then; nobody was that fast
  showNumber($("own-score"), none ? undefined : score, (it) => written(it, unit));
  showNumber($("own-total"), totalScore);
  $("own-unit").hidden = Boolean(unit && unit !== "points");
  $("own-distance").textContent = distance();
}

/** @param {HTMLElement} element @param {number | undefined} value @param {(value: number) => string} [write] */
function showNumber(element, value, write) {
  if (value === undefined) clearCount(element);
  else countTo(element, value, write);
}

/** How far it is to the next place, or how far ahead one is: by the rows that are at hand, if they are of this moment. */
function distance() {
  if (!session || !profile || profile.rank === undefined) return "";
  if (!profile.rank) return t("player.no-place");
  const rows = ownEntry() ? shown.payload : neighbours();
  const at = rows.findIndex(({ userId }) => userId === session.userId);
  if (at < 0 || rows[at].rank !== profile.rank) return "";
  const [above, below] = [rows[at - 1], rows[at + 1]];
  if (above) return towards(above, rows[at]);
  return below ? t("player.ahead", { distance: between(rows[at], below), place: below.rank }) : t("player.alone");
}

function towards(above, own) {
  if (above.score === own.score) return t("player.level", { place: above.rank });
  return t("player.to-place", { distance: between(above, own), place: above.rank });
}

const between = (one, other) => spoken(Math.abs(one.score - other.score), look().rule.unit);
