/**
 * Who is signed in, in this tab: the token, kept until it ends and renewed before it does.
 *
 * Each tab has a session of its own. `end` forgets this tab's; `signOut` those of all tabs of this browser, also of tabs
 * that are asleep and look later; `signOutEverywhere` has the server end every token of the user.
 */

import { authorize, call, onTokenRefused, parse } from "./api.js";
import { SUSPENDED_TEXT } from "./messages.js";
import { renewTokens } from "./oidc.js";
import { t } from "./words.js";

/**
 * @typedef {{accessToken: string, userId: string, username: string, renewAt: number, expiresAt: number,
 *   signOuts: string | null, renewal?: import("./oidc.js").Renewal | null}} Session `renewal`: of another issuer's token
 */

const RENEW_AFTER = 2 / 3; // of the token's life
const EXPIRED_TEXT = t("account.expired");
const RENEW_RETRY_MS = 15_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const SIGN_OUTS = "sign-outs"; // the number of sign-outs in this browser: it ends the sessions from before
export const ENDED_TEXT = t("account.session-ended");
const SIGNED_OUT_TEXT = t("account.signed-out");

/** @type {Session | null} */
export let session = null;
let ended = (/** @type {string} */ _message) => {};
let renewTimer;
let renewing = null;

onTokenRefused(() => end(ENDED_TEXT));

/** Sets what to do when the session ends; it is given the reason, in words. */
export function onEnd(callback) {
  ended = callback;
}

/** Takes up the session that this tab had before it was reloaded. */
export function restore() {
  session = parse(sessionStorage.getItem("session") ?? "null");
  if (session && session.signOuts !== signOuts()) {
    session = null;
    sessionStorage.clear();
  }
  if (!session) return;
  authorize(session.accessToken);
  renewIn(session.renewAt - Date.now());
}

export async function register(body) {
  await call("POST", "/auth/register", { body });
}

export async function logIn(username, password) {
  const { data } = await call("POST", "/auth/login", { body: { username, password } });
  keep(data, username, signOuts());
}

/** Begins a session with the tokens of another issuer. @param {import("./oidc.js").Tokens} tokens */
export async function takeForeignTokens({ accessToken, expiresIn, renewal }) {
  authorize(accessToken);
  const { data } = await call("GET", "/users/me", { tries: 3 }).catch((error) => {
    authorize(null);
    throw error;
  });
  keep({ accessToken, expiresIn, userId: data.userId }, data.username, signOuts(), renewal);
}

/** Begins a session with a token that was given for something else than a password; the name may be unknown yet. */
export function begin(data, username) {
  keep(data, username, signOuts());
}

/** Forgets the sessions of this browser, in every tab; what is open elsewhere stays. */
export function signOut(message = SIGNED_OUT_TEXT) {
  localStorage.setItem(SIGN_OUTS, String(Number(signOuts()) + 1));
  end(message);
}

/** Has the server end every token of the user, and forgets the sessions of this browser. */
export async function signOutEverywhere() {
  const told = await call("POST", "/auth/logout").then(() => true, () => false);
  if (!session && !told) return; // it had ended already, and said so
  signOut(told ? t("account.signed-out-everywhere") : `${SIGNED_OUT_TEXT} ${t("account.others-not-told")}`);
}

const signOuts = () => localStorage.getItem(SIGN_OUTS);

/** Ends this tab's session after a sign-out in another tab. */
function endIfSignedOut() {
  if (session && session.signOuts !== signOuts()) end(SIGNED_OUT_TEXT);
}

addEventListener("storage", endIfSignedOut);
addEventListener("pageshow", endIfSignedOut); // a page that was put aside as it was has missed the event

/** Writes the name as the server has it. */
export function rename(username) {
  session.username = username;
  sessionStorage.setItem("session", JSON.stringify(session));
}

/** Renews a token that is close to its end; timers are late after a laptop's sleep, so others ask too. */
export async function renewIfDue() {
  endIfSignedOut();
  if (!session) return;
  const now = Date.now();
  // A timer may be early by this clock, and a timer that is not set again would let the session run out.
  if (now < session.renewAt) return renewIn(session.renewAt - now);
  if (now >= session.expiresAt) return end(EXPIRED_TEXT);
  await renew();
}

/** The token to follow a board with, renewed when it is due or was refused. @param {string | null} [refused] */
export async function currentToken(refused) {
  if (refused && refused === session?.accessToken) await renew(); // or the session ends
  else await renewIfDue();
  return session?.accessToken ?? null;
}

/** Renews the token now. A refusal ends the session; a server out of reach is asked again later. */
export function renew() {
  renewing ??= (async () => {
    const before = session;
    try {
      const next = await renewed(before);
      if (session !== before) return;
      if (next) keep({ userId: session.userId, ...next }, session.username, session.signOuts, next.renewal);
      else renewIn(session.expiresAt - Date.now()); // to end it
    } catch (error) {
      if (session !== before || !session) return;
      if (error.status === 403) return end(error.code === "user-suspended" ? SUSPENDED_TEXT : error.message);
      if (session.renewal && error.status) session.renewal.refreshToken = null; // its issuer has refused
      renewIn(Math.max(0, Math.min(RENEW_RETRY_MS, session.expiresAt - Date.now())));
    } finally {
      renewing = null;
    }
  })();
  return renewing;
}

/** A new token from whoever has issued this one; null when there is none to be had without signing in. @param {Session} before */
async function renewed({ renewal }) {
  return renewal ? renewTokens(renewal) : (await call("POST", "/auth/refresh")).data;
}

/** Goes on with a new token of the same user, in whose place every older one has ended. */
export function takeToken(data) {
  keep(data, session.username, session.signOuts);
}

/** Forgets this tab's session and says why. */
export function end(message) {
  session = null;
  authorize(null);
  sessionStorage.clear();
  clearTimeout(renewTimer);
  ended(message);
}

function keep({ accessToken, userId, expiresIn }, username, signOuts, renewal = null) {
  const [now, life] = [Date.now(), expiresIn * 1000];
  session = { accessToken, userId, username, renewAt: now + life * RENEW_AFTER, expiresAt: now + life, signOuts, renewal };
  authorize(accessToken);
  sessionStorage.setItem("session", JSON.stringify(session));
  renewIn(session.renewAt - now);
}

function renewIn(ms) {
  clearTimeout(renewTimer);
  renewTimer = setTimeout(renewIfDue, Math.min(ms, LONGEST_TIMER_MS));
}
