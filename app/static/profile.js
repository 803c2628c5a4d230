/** The own player: rank, points on the board, total; and the own row below the ten. */

import { call } from "./api.js";
import { fillRow } from "./board-row.js";
import { look, ownEntry } from "./board.js";
import { $, copyOf } from "./elements.js";
import { nameOf } from "./names.js";
import { clearCount, countTo } from "./numbers.js";
import { rename, session } from "./session.js";

const EVERY_MS = 1_500;
const SOON_MS = 200;

/** @type {{username?: string, displayName?: string | null, totalScore?: number, score?: number, rank?: number | null} | null} */
export let profile = null;
let loaded = () => {};
let timer;
let askedAt = -EVERY_MS;
let told = 0; // how often the socket has told the own numbers

/** Sets what to do after the server was asked. */
export function onProfile(callback) {
  loaded = callback;
}

/** Asks the server after a change that may concern us. */
export function loadProfileSoon() {
  clearTimeout(timer);
  timer = setTimeout(loadProfile, Math.max(SOON_MS, askedAt + EVERY_MS - performance.now()));
}

export async function loadProfile() {
  if (!session || document.hidden) return;
  askedAt = performance.now();
  const { userId } = session;
  const before = told;
  // The board stands by itself: when this fails, the next change asks again.
  const { data } = await call("GET", `/users/${userId}`).catch(() => ({ data: null }));
  if (!data || session?.userId !== userId) return;
  const { username, displayName } = data;
  takeProfile(told === before ? data : { ...profile, username, displayName }); // what the socket told may be newer
}

/** Takes the account as the server has just told it. */
export function takeProfile(data) {
  profile = data;
  rename(data.username);
  showProfile();
  loaded();
}

/** Takes the own numbers that the socket told. */
export function takeOwn({ totalScore, score, rank }) {
  told += 1;
  const scored = totalScore !== profile?.totalScore || score !== profile?.score;
  profile = { ...profile, totalScore, score, rank };
  showProfile();
  if (scored) loaded();
}

export function forgetProfile() {
  clearTimeout(timer);
  profile = null;
  showProfile();
}

/** Shows what is known: numbers of one moment, so that they change together. */
export function showProfile() {
  const { rank, score, totalScore } = profile ?? {};
  $("player-name").textContent = session ? nameOf({ ...session, ...profile }) : "";
  $("player-name").title = session?.username ?? "";
  $("own-rank").textContent = rank ?? "–";
  for (const [id, value] of [["own-score", score], ["own-total", totalScore]]) {
    if (value === undefined) clearCount($(id));
    else countTo($(id), value);
  }
  showPinned();
}

/** Keeps the own row in sight below the ten. */
function showPinned() {
  const pinned = $("pinned");
  pinned.hidden = !session || Boolean(ownEntry()) || !profile?.score;
  pinned.closest(".board").classList.toggle("pinned", !pinned.hidden); // its rows make room
  if (pinned.hidden) return pinned.replaceChildren();
  if (!pinned.firstElementChild) pinned.append(copyOf("row"));
  fillRow(pinned.firstElementChild, { ...session, ...profile }, look());
}
