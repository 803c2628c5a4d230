/** Playing: one action of each type at a time is started, watched, and finished or given up. */

import { buttonOf, dressAct, showActs } from "./acts.js";
import { call, clockSkew, parse } from "./api.js";
import { $, calm } from "./elements.js";
import { attend, say } from "./messages.js";
import { grouped, span } from "./numbers.js";
import { loadProfileSoon } from "./profile.js";
import { session } from "./session.js";
import { askForTypes, offered, rulesOf, titleOf } from "./types.js";
import { t } from "./words.js";

/**
 * @typedef {{actionId: string, type: string, status: string, startAt: string, score: number | null,
 *   settlement?: string}} Action
 */

const TICK_MS = 250;
const KEPT = "actions"; // those that run, in this tab, for a reload

/** @type {Map<string, {action: Action, startedAt: number}>} by type; `startedAt` by our own clock */
const running = new Map();
let ticker;

const pathOf = (actionId) => `/users/${session.userId}/actions/${actionId}`;
const secondsOf = (type) => Math.max(0, (Date.now() - running.get(type).startedAt) / 1000);

/** Offers what there is to do. */
export async function offerActions() {
  draw();
  await askForTypes();
  draw();
}

/** Takes up what ran before the page was reloaded. */
export async function resume() {
  const ids = parse(sessionStorage.getItem(KEPT) ?? "[]") ?? [];
  const asked = session;
  for (const id of ids) {
    const { data } = await call("GET", pathOf(id), { tries: 3 }).catch(() => ({ data: null }));
    if (!session || session !== asked) return;
    if (data?.status === "started" && !running.has(data.type)) run(data, Date.parse(data.startAt) - clockSkew);
  }
}

/** Forgets what runs here: it stays open for the one who has signed out. */
export function forgetActions() {
  running.clear();
  draw();
}

const wishes = {
  press: (type, { main }) => attend(main, $("player-message"), () => (running.has(type) ? complete(type) : start(type))),
  giveUp: (type, { cancel }) => attend(cancel, $("player-message"), () => giveUp(type)),
};

async function start(type) {
  const { data } = await call("POST", `/users/${session.userId}/actions`, { body: { status: "started", type } });
  if (session) run(data, Date.now());
}

async function complete(type) {
  const early = Math.ceil((rulesOf(type).minSeconds ?? 0) - secondsOf(type));
  if (early > 0) return say($("player-message"), t("player.not-yet", { time: span(early) }));
  sayAward(await finish(type, "completed"));
  loadProfileSoon();
}

async function giveUp(type) {
  await finish(type, "cancelled");
  say($("player-message"), t("player.given-up"));
}

/** Ends an action. To repeat is safe: an answer that got lost comes back as a 409 with what is recorded. */
async function finish(type, status) {
  const { action } = running.get(type);
  try {
    const { data } = await call("PUT", pathOf(action.actionId), { body: { status }, tries: 3 });
    leave(type);
    return data;
  } catch (error) {
    if (![404, 409].includes(error.status) || !session) throw error;
    leave(type);
    if (error.problem.action?.status !== status) throw error;
    return error.problem.action;
  }
}

function sayAward({ type, score, settlement }) {
  if (!score) return say($("player-message"), t("player.limit-reached"));
  const points = document.createElement("strong");
  points.textContent = `+${grouped(score)}`;
  const title = titleOf(type);
  const rest = settlement === "held" ? t("player.award-held", { title }) : t("player.award", { title });
  say($("player-message"), [points, ` ${rest}`], "good");
  if (calm.matches) return;
  $("player-message").animate([{ transform: "scale(.96)" }, { transform: "scale(1.02)" }, { transform: "none" }], 350);
}

function run(action, startedAt) {
  running.set(action.type, { action, startedAt });
  keep();
  draw();
}

function leave(type) {
  running.delete(type);
  keep();
  draw();
  buttonOf(type)?.focus();
}

const keep = () => sessionStorage.setItem(KEPT, JSON.stringify([...running.values()].map(({ action }) => action.actionId)));

function draw() {
  clearInterval(ticker);
  showActs([...new Set([...offered(), ...running.keys()])], wishes);
  tick();
  if (running.size > 0) ticker = setInterval(tick, TICK_MS);
}

function tick() {
  for (const type of new Set([...offered(), ...running.keys()])) dressAct(type, running.has(type) ? secondsOf(type) : null);
}
