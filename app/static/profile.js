/** The own player: rank, points on the board, total; and the own row below the ten. */

import { call } from "./api.js";
import { fillRow, ownEntry } from "./board.js";
import { $, copyOf } from "./elements.js";
import { clearCount, countTo } from "./numbers.js";
import { rename, session } from "./session.js";

const EVERY_MS = 5_000;
const SOON_MS = 200;

/** @type {{username?: string, totalScore?: number, score?: number, rank?: number | null} | null} */
let profile = null;
let loaded = () => {};
let timer;
let askedAt = -EVERY_MS;

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
  // The board stands by itself: when this fails, the next change asks again.
  const { data } = await call("GET", `/users/${userId}`).catch(() => ({ data: null }));
  if (!data || session?.userId !== userId) return;
  profile = data;
  rename(data.username);
  showProfile();
  loaded();
}

/** Takes over the total that a completed action was answered with. */
export function showTotal(totalScore) {
  profile = { ...profile, totalScore };
  showProfile();
}

export function forgetProfile() {
  clearTimeout(timer);
  profile = null;
  showProfile();
}

/** Shows what is known: the board is newer than the profile as to what stands on it. */
export function showProfile() {
  const { rank, score } = ownEntry() ?? profile ?? {};
  $("player-name").textContent = session?.username ?? "";
  $("own-rank").textContent = rank ?? "–";
  for (const [id, value] of [["own-score", score], ["own-total", profile?.totalScore]]) {
    if (value === undefined) clearCount($(id));
    else countTo($(id), value);
  }
  showPinned();
}

/** Keeps the own row in sight below the ten. */
function showPinned() {
  const pinned = $("pinned");
  pinned.hidden = !session || Boolean(ownEntry()) || !profile?.score;
  if (pinned.hidden) return pinned.replaceChildren();
  if (!pinned.firstElementChild) pinned.append(copyOf("row"));
  fillRow(pinned.firstElementChild, { ...session, score: profile.score, rank: profile.rank });
}
