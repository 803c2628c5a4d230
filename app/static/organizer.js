/** The organizer's page, wired. Whatever users typed reaches it through textContent alone. */

import { loadAbout } from "./about.js";
import { call } from "./api.js";
import { $ } from "./elements.js";
import { watchLanguage } from "./language-switch.js";
import { attend, say } from "./messages.js";
import { forgetActivity, watchActivity } from "./organize/activity.js";
import { forgetNewPlayers, watchNewPlayers } from "./organize/add-players.js";
import { watchBoardList } from "./organize/boards.js";
import { forgetCodes, loadCodes, watchCodes } from "./organize/codes.js";
import { forgetCases, watchCases } from "./organize/decide.js";
import { forgetDesk, note } from "./organize/desk.js";
import { onSubmit } from "./organize/elements.js";
import { watchEngineers } from "./organize/engineers.js";
import { watchExport } from "./organize/export.js";
import { loadFreezes } from "./organize/freezes.js";
import { watchGiving } from "./organize/give-points.js";
import { forgetHour, watchHour } from "./organize/hour.js";
import { watchJoin } from "./organize/join-screen.js";
import { forgetKeys, loadKeys, watchKeys } from "./organize/keys.js";
import { loadFlags, watchLevers } from "./organize/levers.js";
import { watchMenus } from "./organize/menus.js";
import { forgetNetworks, loadNetworks, watchNetworks } from "./organize/networks.js";
import { forgetPlayers, watchPlayers } from "./organize/players.js";
import { watchPreview } from "./organize/preview.js";
import { beat, start, stop } from "./organize/pulse.js";
import { forgetResetLink, watchResetLink } from "./organize/reset-links.js";
import { enterSections, isUp, onArrival, watchSections } from "./organize/sections.js";
import { watchSlips } from "./organize/slips.js";
import { watchSnippet } from "./organize/snippet.js";
import { watchSwitches } from "./organize/switches.js";
import { wrong } from "./organize/toast.js";
import { checkIfOld, watchVerdict } from "./organize/verdict.js";
import { forgetWebhooks, loadWebhooks, watchWebhooks } from "./organize/webhooks.js";
import { end, logIn, onEnd, renewIfDue, restore, session, signOut, signOutEverywhere } from "./session.js";
import { comeBack, offerSignIns } from "./sign-ins.js";
import { t } from "./words.js";

const FORGET = [forgetActivity, forgetNewPlayers, forgetCodes, forgetCases, forgetHour, forgetKeys, forgetNetworks, forgetPlayers, forgetResetLink, forgetWebhooks, forgetDesk];
const WATCH = [
  watchActivity, watchNewPlayers, watchBoardList, watchCodes, watchEngineers, watchExport, watchGiving, watchHour, watchJoin, watchKeys,
  watchLevers, watchMenus, watchNetworks, watchPlayers, watchPreview, watchResetLink, watchSections, watchSlips, watchSnippet, watchSwitches,
  watchVerdict, watchWebhooks,
];

async function enter() {
  const { data } = await call("GET", `/users/${session.userId}`, { tries: 2 });
  if (data.role !== "admin") {
    end("");
    return say($("guest-message"), t("organizer.not-an-organizer"), "bad");
  }
  say($("guest-message"), "");
  $("guest").hidden = true;
  $("desk").hidden = $("sections").hidden = $("account").hidden = false;
  $("account-name").textContent = data.displayName ?? session.username ?? "";
  enterSections();
  start();
}

function leave(message) {
  stop();
  for (const forget of FORGET) forget();
  say($("message"), "");
  document.querySelectorAll("dialog[open] .leave").forEach((it) => /** @type {any} */ (it).click());
  $("desk").hidden = $("sections").hidden = $("account").hidden = true;
  $("guest").hidden = false;
  $("connection").dataset.state = "connecting";
  $("connection").textContent = t("organizer.not-signed-in");
  say($("guest-message"), message);
}

/** What is asked for each time a section comes up. */
const LOAD = { share: [loadCodes], settings: [loadKeys, loadNetworks, loadWebhooks] };

beat(2_000, async () => note({ stats: (await call("GET", "/admin/stats")).data }));
for (const watch of WATCH) watch();
watchCases(); // after the counters, by which it goes
beat(4_000, loadFreezes);
beat(8_000, loadFlags);
beat(60_000, checkIfOld, () => isUp("now"));
onArrival((section) => {
  for (const load of LOAD[section] ?? []) load().catch((error) => wrong(error.message));
});
watchLanguage();
onSubmit($("sign-in"), $("guest-message"), async ({ username, password }) => {
  await logIn(username, password);
  $("sign-in").reset();
  await enter();
});
$("sign-out").addEventListener("click", () => signOut());
$("sign-out-everywhere").addEventListener("click", () => attend($("sign-out-everywhere"), $("message"), signOutEverywhere));
document.addEventListener("visibilitychange", () => document.hidden || renewIfDue());
onEnd(leave);
restore();
if (session) attend($("sign-in").querySelector("button"), $("guest-message"), enter);
else comeBack(enter);
loadAbout().then((about) => {
  note({ about });
  $("sign-in").hidden = !about.passwordLogin;
  offerSignIns(about);
});
