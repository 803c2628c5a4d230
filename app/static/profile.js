/** The own player: all points, and rank and points on the board that is looked at. */

import { call } from "./api.js";
import { pathOf } from "./board-paths.js";
import { ALL_TIME, chosen } from "./chosen.js";
import { rename, session } from "./session.js";

const EVERY_MS = 1_500;
const SOON_MS = 200;

/** @type {{username?: string, displayName?: string | null, totalScore?: number, score?: number, rank?: number | null} | null} */
export let profile = null;
let loaded = () => {};
let changed = () => {};
let timer;
let askedAt = -EVERY_MS;
let told = 0; // how often the socket has told the own numbers

/** Sets what to do after the server was asked. */
export function onProfile(callback) {
  loaded = callback;
}

/** Sets what to do whenever one of the numbers may be another one. */
export function onNumbers(callback) {
  changed = callback;
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
  const [before, asked] = [told, chosen];
  // The board stands by itself: when this fails, the next change asks again.
  const [account, there] = await Promise.all([ask(`/users/${userId}`), rankThere(userId)]);
  if (!account || session?.userId !== userId || asked !== chosen) return;
  const { username, displayName } = account;
  const newest = told === before ? { ...account, ...there } : profile; // what the socket told may be newer
  takeProfile({ ...newest, username, displayName });
}

/** The own place on another board than the account tells of. */
async function rankThere(userId) {
  if (chosen.board === ALL_TIME) return null;
  const { score, rank = null } = (await ask(pathOf(`ranks/${userId}`))) ?? {};
  return { score: score ?? undefined, rank };
}

const ask = async (path) => (await call("GET", path).catch(() => ({ data: null }))).data;

/** Takes the account as the server has just told it. */
export function takeProfile(data) {
  profile = data;
  rename(data.username);
  changed();
  loaded();
}

/** Takes the own numbers that the socket told. */
export function takeOwn({ board, totalScore, score, rank }) {
  if (board !== chosen.board || chosen.period) return;
  told += 1;
  const scored = totalScore !== profile?.totalScore || score !== profile?.score;
  profile = { ...profile, totalScore, score, rank };
  changed();
  if (scored) loaded();
}

/** Forgets the place on the board that was looked at until now. */
export function forgetPlace() {
  told += 1; // an answer about that board is too late
  if (profile) profile = { ...profile, score: undefined, rank: undefined };
  changed();
}

export function forgetProfile() {
  clearTimeout(timer);
  profile = null;
  changed();
}
