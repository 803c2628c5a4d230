/** Events as sentences: who did what to whom, and why. */

import { nameOf } from "../names.js";
import { session } from "../session.js";
import { locale, number, t } from "../words.js";
import { act, bare, element } from "./elements.js";
import { takeBack } from "./events.js";
import { phrase } from "./phrases.js";
import { clockOf } from "./times.js";

/** The kinds that there are, each with its name and its sentence; one that a newer service adds is told by its name. */
export const KINDS = {
  held: ["organizer.kind-held", "organizer.event-held"],
  released: ["organizer.kind-released", "organizer.event-released"],
  reversed: ["organizer.kind-reversed", "organizer.event-reversed"],
  held_again: ["organizer.kind-held-again", "organizer.event-held-again"],
  adjusted: ["organizer.kind-adjusted", "organizer.event-adjusted"],
  suspended: ["organizer.kind-suspended", "organizer.event-suspended"],
  reinstated: ["organizer.kind-reinstated", "organizer.event-reinstated"],
  role_changed: ["organizer.kind-role-changed", "organizer.event-role-changed"],
  logged_out: ["organizer.kind-logged-out", "organizer.event-logged-out"],
  flag_changed: ["organizer.kind-flag-changed", "organizer.event-flag-off"],
  erased: ["organizer.kind-erased", "organizer.event-erased"],
  user_created: ["organizer.kind-user-created", "organizer.event-user-created"],
  renamed: ["organizer.kind-renamed", "organizer.event-renamed"],
  hidden: ["organizer.kind-hidden", "organizer.event-hidden"],
  shown: ["organizer.kind-shown", "organizer.event-shown"],
  reset_created: ["organizer.kind-reset-created", "organizer.event-reset-created"],
  password_reset: ["organizer.kind-password-reset", "organizer.event-password-reset"],
  join_code_created: ["organizer.kind-join-code-created", "organizer.event-join-code-created"],
  join_code_deleted: ["organizer.kind-join-code-deleted", "organizer.event-join-code-deleted"],
  key_created: ["organizer.kind-key-created", "organizer.event-key-created"],
  key_revoked: ["organizer.kind-key-revoked", "organizer.event-key-revoked"],
  board_frozen: ["organizer.kind-board-frozen", "organizer.event-board-frozen"],
  board_thawed: ["organizer.kind-board-thawed", "organizer.event-board-thawed"],
  board_revealed: ["organizer.kind-board-revealed", "organizer.event-board-revealed"],
  network_trusted: ["organizer.kind-network-trusted", "organizer.event-network-trusted"],
  network_removed: ["organizer.kind-network-removed", "organizer.event-network-removed"],
  webhook_changed: ["organizer.kind-webhook-changed", "organizer.event-webhook-changed"],
  webhook_rotated: ["organizer.kind-webhook-rotated", "organizer.event-webhook-rotated"],
  archived: ["organizer.kind-archived", "organizer.event-archived"],
  webhook_created: ["organizer.kind-webhook-created", "organizer.event-webhook-created"],
  webhook_paused: ["organizer.kind-webhook-paused", "organizer.event-webhook-paused"],
  webhook_resumed: ["organizer.kind-webhook-resumed", "organizer.event-webhook-resumed"],
  webhook_deleted: ["organizer.kind-webhook-deleted", "organizer.event-webhook-deleted"],
  webhook_repeated: ["organizer.kind-webhook-repeated", "organizer.event-webhook-repeated"],
  webhook_tested: ["organizer.kind-webhook-tested", "organizer.event-webhook-tested"],
};

/**
 * @param {import("./events.js").Event} event
 * @param {(work: () => Promise<void>) => Promise<void>} undo what to do with the work that takes it back
 */
export function eventItem(event, undo) {
  const at = element("time", "", clockOf(event.at));
  at.dateTime = event.at;
  at.title = new Date(event.at).toLocaleString(locale);
  const made = element("li", "", at, element("span", "", ...sentence(event)));
  if (event.undo) made.append(act(t("organizer.undo"), made.lastElementChild.textContent, () => undo(() => takeBack(event.undo)), "link"));
  return made;
}

/** @param {import("./events.js").Event} event @returns {(string | Node)[]} */
export function sentence(event) {
  const { kind, points, reason, details } = event;
  const facts = Object.values(details).filter((it) => it !== null && typeof it !== "object");
  const values = {
    actor: actorOf(event),
    name: event.userId === null ? "" : bare(nameOf(event), "whom"),
    points: number(Math.abs(points ?? 0)),
    what: bare(String(details.title ?? details.board ?? details.name ?? details.cidr ?? details.host ?? details.note ?? facts[0] ?? "")),
  };
  const words = KINDS[kind] ? phrase(sentenceOf(event), values) : [kind.replaceAll("_", " "), " ", values.name, " (", values.actor, ")"];
  return reason ? [...words, ": ", bare(reason)] : words;
}

/** Some kinds are two: points are given or taken, a switch goes on or off. */
function sentenceOf({ kind, points, actor, userId, details }) {
  if (kind === "adjusted" && points < 0) return "organizer.event-adjusted-down";
  if (kind === "flag_changed") return details.enabled ? "organizer.event-flag-on" : "organizer.event-flag-off";
  if (kind === "user_created" && actor === userId) return "organizer.event-joined";
  return KINDS[kind][1];
}

function actorOf({ actor, actorName }) {
  if (actor === session?.userId) return element("b", "", t("organizer.you"));
  if (actor === "system" || actor === "shell") return element("b", "", t(actor === "shell" ? "organizer.actor-shell" : "organizer.actor-system"));
  if (actor.startsWith("key:")) return element("b", "", t("organizer.actor-key", { name: actor.slice(4) }));
  return element("b", "", bare(actorName ?? t("organizer.somebody-erased")));
}
