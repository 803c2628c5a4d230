/** What can be done with a player, one button each. */

import { call } from "../api.js";
import { nameOf } from "../names.js";
import { t } from "../words.js";
import { showActivityOf } from "./activity.js";
import { ask } from "./dialogs.js";
import { act } from "./elements.js";
import { givePoints } from "./give-points.js";
import { makeResetLink } from "./reset-links.js";
import { askReason } from "./reasons.js";
import { done } from "./toast.js";

/**
 * @typedef {{userId: string, username: string, displayName?: string | null, status: string, hidden?: boolean}} Player
 * @typedef {"give" | "rename" | "hide" | "suspend" | "password" | "activity" | "erase"} Verb
 */

const post = (userId, verb, body = {}) => call("POST", `/admin/users/${userId}/${verb}`, { body });

/**
 * @param {Player} player
 * @param {HTMLElement} anchor where a row of reasons is put
 * @param {Verb[]} verbs
 */
export function playerActs(player, anchor, verbs) {
  if (player.username === null) return []; // erased for good: nothing can be changed
  return verbs.flatMap((verb) => MAKE[verb](player, anchor) ?? []);
}

const MAKE = {
  give: (player) => act(t("organizer.give-points"), nameOf(player), () => givePoints([player])),
  rename: (player) => act(t("organizer.rename"), nameOf(player), () => rename(player)),
  hide: (player) => (player.hidden ? act(t("organizer.show"), nameOf(player), () => setHidden(player, false)) : act(t("organizer.hide"), nameOf(player), () => setHidden(player, true))),
  suspend: (player, anchor) =>
    player.status === "suspended"
      ? act(t("organizer.reinstate"), nameOf(player), () => reinstate(player))
      : act(t("organizer.suspend"), nameOf(player), async (button) => suspend(player, anchor, button)),
  password: (player) => player.status === "active" && act(t("organizer.new-password"), nameOf(player), () => makeResetLink(player)),
  activity: (player) => act(t("organizer.activity-of"), nameOf(player), async () => showActivityOf(player.username)),
  erase: (player) => act(t("organizer.erase"), nameOf(player), () => erase(player), "danger-text"),
};

async function setHidden(player, hidden) {
  const [verb, back] = hidden ? ["hide", "show"] : ["show", "hide"];
  await post(player.userId, verb);
  done(t(hidden ? "organizer.hidden-now" : "organizer.shown-now", { name: nameOf(player) }), () => post(player.userId, back));
}

function suspend(player, anchor, button) {
  const from = button.closest("details")?.querySelector("summary") ?? button;
  askReason(anchor, "suspend", t("organizer.why-suspend", { name: nameOf(player) }), async (reason) => {
    await post(player.userId, "suspend", { reason });
    done(t("organizer.suspended-now", { name: nameOf(player) }), () => post(player.userId, "reinstate"));
  }, from);
}

async function reinstate(player) {
  await post(player.userId, "reinstate");
  done(t("organizer.reinstated-now", { name: nameOf(player) }), () => post(player.userId, "suspend", { reason: t("organizer.undone") }));
}

async function rename(player) {
  const before = { username: player.username, displayName: player.displayName ?? null };
  const body = await ask(t("organizer.rename-title", { name: nameOf(player) }), { names: before });
  if (!body) return;
  await post(player.userId, "rename", body);
  done(t("organizer.renamed-now", { name: body.displayName ?? body.username }), () => post(player.userId, "rename", { ...before, reason: t("organizer.undone") }));
}

async function erase(player) {
  const body = await ask(t("organizer.erase-title", { name: nameOf(player) }), { about: t("organizer.erase-about"), danger: true });
  if (!body) return;
  await post(player.userId, "erase", body);
  done(t("organizer.erased-now", { name: nameOf(player) }));
}
