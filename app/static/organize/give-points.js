/** Points for one or many, or taken from them, with a reason. */

import { call } from "../api.js";
import { $ } from "../elements.js";
import { nameOf } from "../names.js";
import { number, t } from "../words.js";
import { fill } from "./dialogs.js";
import { act, element, named } from "./elements.js";
import { done, wrong } from "./toast.js";

const FOUND = 6;
const TYPED_MS = 250;

/** @typedef {{userId: string, username: string, displayName?: string | null}} Player */

/** @type {Map<string, Player>} */
const chosen = new Map();
let timer;
let asked = "";

/** Asks who gets how many points and why, and gives them. @param {Player[]} players who is chosen already */
export async function givePoints(players) {
  $("give-form").reset();
  $("give-found").replaceChildren();
  chosen.clear();
  for (const it of players) chosen.set(it.userId, it);
  showChosen();
  const values = await fill($("give"));
  if (!values || !chosen.size) return;
  await give([...chosen.values()], Number(values.points), values.reason.trim());
}

async function give(players, points, reason) {
  const adjust = (player, by, why) => call("POST", `/admin/users/${player.userId}/adjust`, { body: { points: by, reason: why } });
  const given = [];
  const undo = async () => {
    for (const it of given) await adjust(it, -points, t("organizer.undone"));
  };
  for (const it of players) {
    try {
      await adjust(it, points, reason);
    } catch (error) {
      if (given.length) done(t("organizer.given-some", { count: given.length, of: players.length }), undo);
      throw error;
    }
    given.push(it);
  }
  const names = players.length === 1 ? nameOf(players[0]) : t("organizer.players-count", { count: players.length });
  done(t(points < 0 ? "organizer.points-taken" : "organizer.points-given", { name: names, points: number(Math.abs(points)) }), undo);
}

function showChosen() {
  const chips = [...chosen.values()].map((it) => {
    const chip = act("✕", nameOf(it), async () => {
      chosen.delete(it.userId);
      showChosen();
      $("give-form").query.focus();
    }, "plain small");
    return element("li", "chip", ...named(it), " ", chip);
  });
  $("give-chosen").replaceChildren(...chips);
  $("give-form").query.required = chosen.size === 0;
}

async function find() {
  const query = $("give-form").query.value.trim();
  asked = query;
  if (!query) return $("give-found").replaceChildren();
  const { data } = await call("GET", `/admin/players?limit=${FOUND}&query=${encodeURIComponent(query)}`, { tries: 2 });
  if (query !== asked) return;
  const found = data.items.filter((it) => it.status !== "erased" && !chosen.has(it.userId));
  $("give-found").replaceChildren(...found.map(choice));
}

/** @param {Player} player */
function choice(player) {
  const button = element("button", "small", ...named(player));
  button.type = "button";
  button.addEventListener("click", () => {
    chosen.set(player.userId, player);
    $("give-form").query.value = "";
    $("give-found").replaceChildren();
    showChosen();
    $("give-form").query.focus();
  });
  return element("li", "", button);
}

/** Lets players be found as one types. */
export function watchGiving() {
  $("give-form").query.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => find().catch((error) => wrong(error.message)), TYPED_MS);
  });
}
