/** Playing: start an action, watch its time, complete or cancel it. */

import { call, clockSkew } from "./api.js";
import { $, calm } from "./elements.js";
import { say } from "./messages.js";
import { clock, grouped, span } from "./numbers.js";
import { loadProfileSoon } from "./profile.js";
import { session } from "./session.js";
import { chosenType, rulesOf } from "./types.js";

/**
 * @typedef {{actionId: string, type: string, status: string, startAt: string, score: number | null,
 *   settlement?: string}} Action
 */

const TICK_MS = 250;

/** @type {Action | null} */
let action = null;
let startedAt = 0; // by our own clock
let ticker;

const pathOf = (actionId) => `/users/${session.userId}/actions/${actionId}`;
const secondsRunning = () => Math.max(0, (Date.now() - startedAt) / 1000);
const secondsToWait = () => Math.ceil((rulesOf(action.type).minSeconds ?? 0) - secondsRunning());

export async function start() {
  const body = { status: "started", type: chosenType() };
  const { data } = await call("POST", `/users/${session.userId}/actions`, { body });
  if (!session) return;
  startedAt = Date.now();
  showAction(data);
  $("complete").focus();
}

/** Takes up the action that was open before the page was reloaded. */
export async function resume() {
  const id = sessionStorage.getItem("action");
  if (!id) return;
  const { data } = await call("GET", pathOf(id), { tries: 3 }).catch(() => ({ data: null }));
  if (data?.status !== "started" || !session || action) return;
  startedAt = Date.parse(data.startAt) - clockSkew;
  showAction(data);
}

export async function complete() {
  const early = secondsToWait();
  if (early > 0) return say($("player-message"), `Not yet: this takes ${span(early)} more.`);
  const recorded = await finish("completed");
  sayAward(recorded);
  loadProfileSoon();
}

export async function cancel() {
  await finish("cancelled");
  say($("player-message"), "Cancelled.");
}

/** Ends the action. To repeat is safe: an answer that got lost comes back as a 409 with what is recorded. */
async function finish(status) {
  try {
    const { data } = await call("PUT", pathOf(action.actionId), { body: { status }, tries: 3 });
    leaveAction();
    return data;
  } catch (error) {
    if (![404, 409].includes(error.status) || !session) throw error;
    leaveAction();
    if (error.problem.action?.status !== status) throw error;
    return error.problem.action;
  }
}

function leaveAction() {
  showAction(null);
  $("start").querySelector(".primary").focus();
}

function sayAward({ type, score, settlement }) {
  if (!score) return say($("player-message"), "Completed, but today's limit for this action is reached: no points.");
  const points = document.createElement("strong");
  points.textContent = `+${grouped(score)}`;
  const review = settlement === "held" ? ", held for review: the points count once it is released." : "";
  say($("player-message"), [points, ` for ${type}${review}`], "good");
  if (calm.matches) return;
  $("player-message").animate([{ transform: "scale(.96)" }, { transform: "scale(1.02)" }, { transform: "none" }], 350);
}

/** Shows the action that runs, and remembers it for this tab; null: there is none. */
export function showAction(next) {
  action = next;
  clearInterval(ticker);
  if (action) sessionStorage.setItem("action", action.actionId);
  else sessionStorage.removeItem("action");
  $("running").hidden = !action;
  $("start").hidden = Boolean(action);
  if (!action) return;
  $("running-type").textContent = action.type;
  tick();
  ticker = setInterval(tick, TICK_MS);
}

function tick() {
  const { points, minSeconds = 0, maxSeconds } = rulesOf(action.type);
  const seconds = secondsRunning();
  const left = maxSeconds ? Math.ceil(maxSeconds - seconds) : null;
  $("elapsed").textContent = clock(seconds);
  $("progress").hidden = !minSeconds;
  $("progress").max = minSeconds || 1;
  $("progress").value = seconds;
  // It stays focusable while it waits, so that the keyboard needn't look for it again.
  $("complete").setAttribute("aria-disabled", String(secondsToWait() > 0));
  const worth = points === undefined ? "" : `Worth ${grouped(points)} points. `;
  const over = left !== null && left <= 0;
  const open = left === null ? "" : `Open for ${clock(left)} more.`;
  $("running-hint").textContent = over ? "Open for too long: it no longer counts." : worth + open;
}
