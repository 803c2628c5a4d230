/** "To decide": one case for each player whose points are held, with what the rule saw. */

import { $ } from "../elements.js";
import { nameOf } from "../names.js";
import { number, t } from "../words.js";
import { desk } from "./desk.js";
import { act, element, named } from "./elements.js";
import { decide, distrust, heldPlayers, trust } from "./held.js";
import { menu } from "./menus.js";
import { playerActs } from "./player-acts.js";
import { beat } from "./pulse.js";
import { askReason } from "./reasons.js";
import { showRows } from "./rows.js";
import { scale } from "./scale.js";
import { clockOf } from "./times.js";
import { done, wrong } from "./toast.js";

const MOST_NOW = 3; // cases beside everything else, under "Now"
const EVERY_MS = 10_000;
const WHOLE_DAY = 86_400;

/** @type {import("./held.js").HeldPlayer[]} the oldest sight first: what is new comes below, and nothing moves down */
let cases = [];
let next = null;
let seen = null; // how many actions were held when the list was asked for
let asked = 0;
let decided = false; // just now, here: the list is written anew, whatever the pointer is over

async function load() {
  if ((hovered() && !decided) || (desk.stats && desk.stats.held === seen && Date.now() < asked + EVERY_MS)) return;
  [seen, asked, decided] = [desk.stats?.held ?? null, Date.now(), false];
  const { items, nextCursor } = await heldPlayers();
  const place = new Map(cases.map((it, at) => [keyOf(it), at]));
  const far = cases.length;
  cases = items.sort((one, other) => (place.get(keyOf(one)) ?? far) - (place.get(keyOf(other)) ?? far));
  next = nextCursor;
  show();
}

/** Nothing moves under a pointer that is about to press. */
const hovered = () => ["cases", "first-cases"].some((id) => $(id).matches(":hover"));

async function more() {
  const { items, nextCursor } = await heldPlayers(next);
  const known = new Set(cases.map(keyOf));
  cases = [...cases, ...items.filter((it) => !known.has(keyOf(it)))];
  next = nextCursor;
  show();
}

const keyOf = ({ userId, rule }) => `${userId} ${rule}`;

function show() {
  const nothing = () => element("li", "quiet", t("organizer.nothing-held"));
  showRows($("cases"), cases, keyOf, caseOf, nothing);
  showRows($("first-cases"), cases.slice(0, MOST_NOW), keyOf, caseOf, nothing);
  $("more-cases").hidden = next === null;
  $("first-cases-card").hidden = cases.length === 0;
}

/** @param {import("./held.js").HeldPlayer} held */
function caseOf(held) {
  const { actions, points, address } = held;
  const who = nameOf(held);
  const ids = actions.map((it) => it.actionId);
  const made = element("li", "case");
  const count = held.held ?? actions.length;
  const release = act(letCount(actions, count), who, () => settle(held, "release", ids), "small");
  const back = act(t("organizer.take-back"), who, async (button) => takeBack(made, held, ids, button), "small");
  const acts = element("div", "acts", release, back, menu(who, moreActs(made, held)));
  const types = [...new Set(actions.map((it) => it.type))].join(", ");
  const sum = element("span", "points", points === 0 || count === 1 ? `+${number(points)}` : t("organizer.held-sum", { count, points: number(points) }));
  made.append(
    element("h3", "", ...named(held), " · ", sum, types ? ` ${t("organizer.for-types", { types })}` : ""),
    element("p", "", ...whyHeld(held)),
    ...[scale(held)].filter(Boolean),
    acts,
  );
  if (address) acts.prepend(act(t("organizer.trust-address"), address, () => trustAddress(held), "small"));
  return made;
}

/** What the rule saw, in words; the service's own words where it measures nothing. @param {import("./held.js").HeldPlayer} held */
function whyHeld({ rule, reason, measure, saw, limit }) {
  const words = t(RULES[rule] ?? "organizer.rule-other");
  if (saw == null || limit == null) return [element("b", "", words), " ", reason ?? ""];
  const seen = t(measure === "points" ? "organizer.saw-points" : "organizer.saw-completions", { count: saw, limit });
  return [element("b", "", seen), " ", words];
}

/** What a rule stands for, in words. */
const RULES = {
  velocity: "organizer.rule-velocity",
  burst: "organizer.rule-burst",
  shared_ip: "organizer.rule-shared-ip",
  unsettleable: "organizer.rule-unsettleable",
  out_of_range: "organizer.rule-out-of-range",
};

function letCount(actions, count) {
  if (count === 1) return t("organizer.let-count");
  return actions.length < count ? t("organizer.let-newest-count", { count: actions.length }) : t("organizer.let-all-count", { count });
}

/** What is decided less often: one action alone, and the player. */
function moreActs(made, held) {
  const single = held.actions.length > 1 ? held.actions.slice(0, 5).flatMap((it) => one(made, held, it)) : [];
  return [...single, ...playerActs({ ...held, status: "active" }, made, ["suspend", "activity"])];
}

function one(made, held, { actionId, score, type, endAt }) {
  const about = `+${number(score)} ${type}, ${clockOf(endAt)}`;
  return [act(`${t("organizer.let-count")}: ${about}`, "", () => settle(held, "release", [actionId]))];
}

async function settle(held, decision, ids, reason) {
  const { items, skipped } = await decide(decision, ids, reason);
  forgetSeen();
  if (!items.length) return wrong(skipped[0]?.detail ?? t("organizer.decided-already"));
  const settled = items.map((it) => it.actionId);
  const words = t(decision === "release" ? "organizer.counted" : "organizer.taken-back", { count: items.length, name: nameOf(held) });
  done(words, async () => {
    await decide("hold", settled, t("organizer.undone"));
    forgetSeen();
  });
}

/** Has the list asked for again at once. */
function forgetSeen() {
  seen = null;
  decided = true;
}

function takeBack(made, held, ids, button) {
  askReason(made, "reverse", t("organizer.why-take-back", { name: nameOf(held) }), (reason) => settle(held, "reverse", ids, reason), button);
}

/** A classroom has one address: it is trusted for a day, and what was held for it alone counts. */
async function trustAddress(held) {
  const { id, cidr } = await trust(held.address, t("organizer.reason-classroom"), WHOLE_DAY);
  const ids = held.actions.map((it) => it.actionId);
  const { items } = await decide("release", ids, t("organizer.reason-classroom"));
  forgetSeen();
  done(t("organizer.address-trusted", { cidr }), async () => {
    await distrust(id, t("organizer.undone"));
    await decide("hold", items.map((it) => it.actionId), t("organizer.undone"));
    forgetSeen();
  });
}

/** Takes the cases off the page. */
export function forgetCases() {
  cases = [];
  seen = next = null;
  for (const id of ["cases", "first-cases"]) $(id).replaceChildren();
}

/** Follows what is held. */
export function watchCases() {
  $("more-cases").addEventListener("click", more);
  beat(1_000, load);
}
