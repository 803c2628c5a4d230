/** The operator's page, wired. Whatever users typed reaches it through textContent alone. */

import { loadAbout } from "./about.js";
import { call, CallError, pause } from "./api.js";
import { $ } from "./elements.js";
import { attend, say } from "./messages.js";
import { namesOf } from "./names.js";
import { grouped } from "./numbers.js";
import { forgetSecrets, makeResetLink } from "./operator-accounts.js";
import { ask } from "./operator-ask.js";
import { forgetNewCode, loadCodes } from "./operator-codes.js";
import { loadEvents } from "./operator-events.js";
import { forgetFreezes, loadFreezes } from "./operator-freezes.js";
import { act, element, item } from "./operator-items.js";
import { forgetKey, loadKeys } from "./operator-keys.js";
import { forgetPlot, plot } from "./operator-plot.js";
import { end, logIn, onEnd, renewIfDue, restore, session, signOut, signOutEverywhere } from "./session.js";
import { comeBack, offerSignIns } from "./sign-ins.js";

const POLL_MS = 2_000;
const LONGEST_POLL_MS = 20_000;
let rounds = 0;
let polling = 0; // rises with each sign-in, so that an older loop ends
let nextHeld = null;
let heldPaged = false; // more than the first page is shown
let heldSeen = null; // how many there were when the list was asked for

/* Held actions */

async function loadHeld(cursor = null) {
  const page = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
  const { data } = await call("GET", `/admin/actions?settlement=held&limit=20${page}`, { tries: 2 });
  if (cursor && cursor !== nextHeld) return; // the list has begun again meanwhile
  const items = data.items.map(heldItem);
  if (cursor) $("held").append(...items);
  else $("held").replaceChildren(...(items.length ? items : [element("li", "quiet", "Nothing is held.")]));
  nextHeld = data.nextCursor;
  heldPaged = cursor !== null;
  $("more-held").hidden = nextHeld === null;
}

function heldItem({ actionId, username, displayName, score, type, endAt, verdict }) {
  const facts = Object.entries(verdict?.facts ?? {}).map(([name, value]) => `${name} ${value}`);
  const about = `${grouped(score)} points of ${username ?? "an erased user"}`;
  return item(
    [...namesOf({ username, displayName }), `: ${grouped(score)} points`],
    [`${verdict?.rule ?? "held"}: ${verdict?.reason ?? ""}`, [type, new Date(endAt).toLocaleString(), ...facts].join(" · ")],
    [
      act("Release", about, () => decide(actionId, "release", `Release ${about}?`, false)),
      act("Reverse", about, () => decide(actionId, "reverse", `Reverse ${about}?`, true)),
    ],
  );
}

async function decide(actionId, verb, title, needsReason) {
  const answer = await ask(title, { needsReason });
  if (!answer) return;
  await call("POST", `/admin/actions/${actionId}/${verb}`, { body: answer });
  say($("message"), `Done: ${verb}d.`, "good");
  await loadHeld();
}

/* Users */

async function findUsers() {
  const { query } = Object.fromEntries(new FormData($("find")));
  const { data } = await call("GET", `/admin/users?limit=20&query=${encodeURIComponent(query)}`, { tries: 2 });
  const items = data.items.map(userItem);
  $("users").replaceChildren(...(items.length ? items : [element("li", "quiet", "Nobody was found.")]));
}

function userItem({ userId, username, displayName, email, role, status, hidden, totalScore }) {
  const standing = `${role} · ${status}${hidden ? ", hidden" : ""} · ${grouped(totalScore)} points in total`;
  if (status === "erased") return item("An erased user", [userId, standing], []); // for good: nothing can be changed
  const change = (verb, title, options) => async () => {
    const answer = await ask(title, options);
    if (!answer) return;
    await call("POST", `/admin/users/${userId}/${verb}`, { body: answer });
    say($("message"), `Done: ${verb} ${username}.`, "good");
    await findUsers();
  };
  const acts =
    status === "active"
      ? [act("Suspend", username, change("suspend", `Suspend ${username}?`, { needsReason: true }))]
      : [act("Reinstate", username, change("reinstate", `Reinstate ${username}?`, { needsReason: false }))];
  acts.push(
    hidden
      ? act("Show", username, change("show", `Show ${username} on the boards again?`, { needsReason: false }))
      : act("Hide", username, change("hide", `Hide ${username} from all boards?`, { needsReason: false })),
  );
  acts.push(act("Adjust", username, change("adjust", `Give ${username} points?`, { needsReason: true, points: true })));
  if (status === "active") acts.push(act("New password", username, () => makeResetLink({ userId, username })));
  const names = { username, displayName };
  acts.push(act("Rename", username, change("rename", `Rename ${username}?`, { needsReason: true, names })));
  return item(namesOf(names), [email, standing].filter(Boolean), acts);
}

/* Switches and checks */

async function loadFlags() {
  const { data } = await call("GET", "/admin/flags", { tries: 2 });
  $("flags").replaceChildren(
    ...data.items.map(({ name, enabled }) => {
      const verb = enabled ? "Switch off" : "Switch on";
      const toggle = async () => {
        const answer = await ask(`${verb} ${name}?`, { needsReason: false });
        if (!answer) return;
        await call("PUT", `/admin/flags/${name}`, { body: { enabled: !enabled, ...answer } });
        await loadFlags();
      };
      return item(name, [enabled ? "on" : "off: no socket gets an update"], [act(verb, name, toggle)]);
    }),
  );
}

async function audit() {
  const { data } = await call("GET", "/admin/audit");
  $("checks").replaceChildren(
    ...data.checks.map(({ name, violations }) => {
      const made = item(name, [], []);
      made.append(element("span", violations ? "bad" : "good", violations ? `${grouped(violations)} violations` : "right"));
      return made;
    }),
  );
}

/* Now */

const COUNTERS = [
  ["completionsPerMinute", "completions/min"],
  ["settleLagSeconds", "settle lag, s", 1],
  ["unsettled", "unsettled"],
  ["queueLength", "queued"],
  ["held", "held"],
  ["started", "open actions"],
  ["users", "users"],
  ["suspended", "suspended"],
  ["connections", "sockets here"],
  ["boardVersion", "board version"],
];

function showStats(stats) {
  $("counters").replaceChildren(
    ...COUNTERS.map(([name, words, decimals]) => {
      const value = stats[name];
      const shown = value === null ? "–" : decimals ? value.toFixed(decimals) : grouped(value);
      return element("div", "", element("dt", "", words), element("dd", "", shown));
    }),
  );
  plot(stats);
  if (stats.held !== heldSeen && mayMoveHeld()) {
    heldSeen = stats.held;
    loadHeld().catch(() => (heldSeen = null)); // asked for again with the next counters
  }
}

/** Nothing moves under a hand that is about to press a button, and nothing that was asked for is taken away. */
function mayMoveHeld() {
  return !heldPaged && !$("ask").open && !$("held").matches(":hover, :focus-within");
}

async function follow() {
  const mine = ++polling;
  let wait = POLL_MS;
  while (session && mine === polling) {
    if (!document.hidden) {
      try {
        const { data } = await call("GET", "/admin/stats");
        if (mine !== polling) return;
        showStats(data);
        if (++rounds % 4 === 0 && !$("ask").open) await loadFreezes();
        state("live", "Live");
        wait = POLL_MS;
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        state("unreachable", error.status === 0 ? "The service can't be reached" : "The service is busy or away");
        wait = Math.min(wait * 2, LONGEST_POLL_MS);
      }
    }
    await pause(wait * (0.9 + Math.random() * 0.2));
  }
}

function state(name, words) {
  $("connection").dataset.state = name;
  $("connection").textContent = words;
}

/* Coming and going */

async function enter() {
  const { data } = await call("GET", `/users/${session.userId}`, { tries: 2 });
  if (data.role !== "admin") {
    end("");
    return say($("guest-message"), "This page is for operators; this account is a player's.", "bad");
  }
  say($("guest-message"), "");
  $("guest").hidden = true;
  $("desk").hidden = false;
  $("now-title").focus();
  follow();
  await Promise.all([loadHeld(), loadFreezes(), loadFlags(), loadEvents(), loadKeys(), loadCodes()]);
}

function leave(message) {
  polling++;
  heldSeen = null;
  forgetPlot();
  forgetSecrets();
  forgetKey();
  $("desk").hidden = true;
  $("guest").hidden = false;
  forgetNewCode();
  forgetFreezes();
  for (const id of ["held", "users", "codes", "keys", "trail", "flags", "checks", "counters"]) $(id).replaceChildren();
  state("connecting", "Not signed in");
  say($("guest-message"), message);
}

function onSubmit(id, box, work) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    attend($(id).querySelector("button"), $(box), work);
  });
}

onSubmit("sign-in", "guest-message", async () => {
  const { username, password } = Object.fromEntries(new FormData($("sign-in")));
  await logIn(username, password);
  $("sign-in").reset();
  await enter();
});
onSubmit("find", "message", findUsers);
$("more-held").addEventListener("click", () => attend($("more-held"), $("message"), () => loadHeld(nextHeld)));
$("audit").addEventListener("click", () => attend($("audit"), $("message"), audit));
$("sign-out").addEventListener("click", () => signOut());
$("sign-out-everywhere").addEventListener("click", () => attend($("sign-out-everywhere"), $("message"), signOutEverywhere));
document.addEventListener("visibilitychange", () => document.hidden || renewIfDue());

onEnd(leave);
restore();
if (session) attend($("sign-in").querySelector("button"), $("guest-message"), enter);
else comeBack(enter);
loadAbout().then((about) => {
  $("sign-in").hidden = !about.passwordLogin;
  offerSignIns(about);
});
