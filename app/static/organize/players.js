/** "Players": everybody, found as one types, page by page, each with what can be done. */

import { call } from "../api.js";
import { $, filledIn } from "../elements.js";
import { attend } from "../messages.js";
import { nameOf } from "../names.js";
import { number, t } from "../words.js";
import { element, named, onSubmit, tag } from "./elements.js";
import { menu } from "./menus.js";
import { playerActs } from "./player-acts.js";
import { beat, refresh } from "./pulse.js";
import { showRows } from "./rows.js";
import { isUp } from "./sections.js";
import { ago } from "./times.js";

const PAGE = 50;
const TYPED_MS = 250;
const EVERY_MS = 15_000;
const COUNTED_TO = 1_000; // there the service stops to count
/** The chips over the table: a status, and its word. */
const STATUSES = /** @type {[value: string, words: string][]} */ ([
  ["", "organizer.status-all"],
  ["held", "organizer.status-held"],
  ["suspended", "organizer.status-suspended"],
  ["hidden", "organizer.status-hidden"],
  ["never", "organizer.status-never"],
]);

/** @type {any[]} */
let players = [];
let next = null;
let paged = false; // more than the first page is shown
let status = "";
let timer;

const query = (cursor) => {
  const { query: typed, sort } = filledIn($("find"));
  return new URLSearchParams({ limit: String(PAGE), sort, ...(typed.trim() && { query: typed.trim() }), ...(status && { status }), ...(cursor && { cursor }) }).toString();
};

async function load() {
  if (paged) return; // what was asked for stays
  const asked = query(null);
  const { data } = await call("GET", `/admin/players?${asked}`, { tries: 2 });
  if (asked !== query(null) || paged) return;
  players = data.items;
  next = data.nextCursor;
  showCounts(data.counts);
  show();
}

async function more() {
  const { data } = await call("GET", `/admin/players?${query(next)}`, { tries: 2 });
  paged = true;
  const known = new Set(players.map((it) => it.userId));
  players = [...players, ...data.items.filter((it) => !known.has(it.userId))];
  next = data.nextCursor;
  show();
}

function show() {
  showRows($("users"), players, (it) => it.userId, rowOf, () => {
    const cell = element("td", "quiet", t("organizer.nobody-found"));
    cell.colSpan = 6;
    return element("tr", "", cell);
  });
  $("more-users").hidden = next === null;
}

function rowOf(player) {
  const { rank, email, lastSeenAt, totalScore, username } = player;
  const who = element("td", "who", element("span", "", ...named(player), ...(email ? [" ", element("small", "wide", email)] : [])));
  const acts = playerActs(player, who, ["give", "rename", "hide", "suspend", "password", "activity", "erase"]);
  return element(
    "tr",
    "",
    element("td", "n place", rank == null ? "–" : number(rank)),
    who,
    element("td", "wide seen", ago(lastSeenAt)),
    element("td", "tags", ...tags(player)),
    element("td", "n", number(totalScore)),
    element("td", "n", ...(acts.length ? [menu(nameOf({ ...player, username }), acts)] : [])),
  );
}

function tags({ held, status, hidden, role }) {
  const words = [
    held > 0 && tag("wait", t("organizer.n-held", { count: held })),
    status === "suspended" && tag("bad", t("organizer.suspended-tag")),
    status === "erased" && tag("soft", t("organizer.erased-tag")),
    role === "admin" && tag("soft", t("organizer.organizer-tag")),
    hidden && tag("soft", t("organizer.hidden-tag")),
  ];
  return words.filter(Boolean).flatMap((it) => [it, " "]);
}

/** Writes how many there are of each kind; the service counts no further than a bound. */
function showCounts(counts) {
  for (const button of $("statuses").children) {
    const count = counts?.[button.value || "all"];
    button.lastElementChild.textContent = count == null ? "" : count >= COUNTED_TO ? `${number(COUNTED_TO)}+` : number(count);
  }
}

function statusButton([value, words]) {
  const button = element("button", "chip", t(words), " ", element("span", ""));
  [button.type, button.value] = ["button", value];
  button.setAttribute("aria-pressed", String(value === status));
  button.addEventListener("click", () => {
    status = value;
    for (const it of $("statuses").children) it.setAttribute("aria-pressed", String(it.value === status));
    again();
  });
  return button;
}

function again() {
  paged = false;
  refresh();
}

/** Takes everybody off the page. */
export function forgetPlayers() {
  [players, next, paged] = [[], null, false];
  $("users").replaceChildren();
  $("find").reset();
  showCounts(null);
}

/** Follows the table while it is looked at. */
export function watchPlayers() {
  $("statuses").append(...STATUSES.map(statusButton));
  onSubmit($("find"), $("message"), async () => again());
  $("find").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(again, TYPED_MS);
  });
  $("more-users").addEventListener("click", () => attend($("more-users"), $("message"), more));
  beat(EVERY_MS, load, () => isUp("players"));
}
