/** "Activity": everything that was done, newest first, in sentences, with a way back where there is one. */

import { $, filledIn } from "../elements.js";
import { attend } from "../messages.js";
import { t } from "../words.js";
import { element } from "./elements.js";
import { eventItem, KINDS } from "./event-words.js";
import { readEvents } from "./events.js";
import { beat, refresh } from "./pulse.js";
import { showRows } from "./rows.js";
import { goTo, isUp } from "./sections.js";
import { done } from "./toast.js";

const EVERY_MS = 8_000;
const LATEST = 6; // beside everything else, under "Now"

/** @type {any[]} */
let shown = [];
let next = null;
let paged = false; // more than the first page is shown

const filter = () => filledIn($("trail-form"));

async function load() {
  if (isUp("now")) return show($("latest"), (await readEvents({}, LATEST)).items);
  if (paged) return;
  const asked = JSON.stringify(filter());
  const page = await readEvents(filter());
  if (asked !== JSON.stringify(filter()) || paged) return;
  [shown, next] = [page.items, page.nextCursor];
  showAll();
}

function showAll() {
  show($("trail"), shown);
  $("more-trail").hidden = next === null;
}

function show(list, events) {
  showRows(list, events, (it) => it.eventId, (it) => eventItem(it, undo), () => element("li", "quiet", t("organizer.nothing-recorded")));
}

async function undo(work) {
  await work();
  paged = false;
  done(t("organizer.undone"));
}

async function more() {
  const page = await readEvents(filter(), undefined, next);
  paged = true;
  shown = [...shown, ...page.items];
  next = page.nextCursor;
  showAll();
}

/** Goes to what was done with one player. @param {string} username */
export function showActivityOf(username) {
  $("trail-form").reset();
  $("trail-form").user.value = username;
  paged = false;
  goTo("activity");
  refresh();
}

/** Takes the events off the page. */
export function forgetActivity() {
  [shown, next, paged] = [[], null, false];
  for (const id of ["trail", "latest"]) $(id).replaceChildren();
  $("trail-form").reset();
}

/** Follows what is done while it is looked at. */
export function watchActivity() {
  const kinds = Object.entries(KINDS).map(([kind, [words]]) => new Option(t(words), kind));
  $("trail-form").kind.append(...kinds);
  const again = () => {
    paged = false;
    refresh();
  };
  $("trail-form").addEventListener("submit", (event) => {
    event.preventDefault();
    again();
  });
  $("trail-form").kind.addEventListener("change", again);
  $("more-trail").addEventListener("click", () => attend($("more-trail"), $("message"), more));
  beat(EVERY_MS, load, () => isUp("now", "activity"));
}
