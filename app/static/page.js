/** The live page, wired. Whatever players typed reaches it through textContent alone. */

import { loadAbout } from "./about.js";
import { offer, showPanel, signIn, switchForm } from "./account.js";
import { announce } from "./announcer.js";
import { forgetAround, loadAroundSoon, watchAround } from "./around.js";
import { redraw, show, shown } from "./board.js";
import { fillDisplayName } from "./display-name.js";
import { $ } from "./elements.js";
import { forgetFound, watchFind } from "./find.js";
import { forgetHistory, loadHistory, loadOlder } from "./history.js";
import { watchLanguage } from "./language-switch.js";
import { forgetLines, loadLines, watchLines } from "./lines.js";
import { followAnother, goLive, isLive, leaveLive, onBoard, onOwn } from "./live.js";
import { attend, say } from "./messages.js";
import { forgetForms } from "./own-account.js";
import { cancel, complete, resume, showAction, start } from "./play.js";
import { forgetProfile, loadProfile, loadProfileSoon, onProfile, showProfile, takeOwn } from "./profile.js";
import { watchLinks } from "./reset.js";
import { onEnd, renewIfDue, restore, session, signOut, signOutEverywhere } from "./session.js";
import { comeBack, offerSignIns } from "./sign-ins.js";
import { lookAgain, noteChange, watchBoards } from "./switcher.js";
import { loadTypes } from "./types.js";

function takeBoard(board) {
  const before = shown;
  if (!show(board)) return;
  if (before) announce(board.payload, before.payload);
  noteChange(board);
  showProfile();
  if (session && !isLive()) loadProfileSoon();
  loadAroundSoon();
}

function lookAtAnother() {
  followAnother();
  loadProfile();
  forgetAround();
  forgetFound();
  forgetLines();
}

function enter() {
  say($("guest-message"), "");
  say($("player-message"), "");
  showPanel();
  redraw();
  showProfile();
  goLive();
  loadTypes();
  resume();
  loadProfile();
}

function leave(message) {
  leaveLive();
  showPanel();
  showAction(null);
  forgetProfile();
  forgetHistory();
  fillDisplayName();
  forgetForms();
  redraw();
  forgetAround();
  say($("guest-message"), message);
  goLive();
}

function introduce(about) {
  offer(about);
  offerSignIns(about);
}

async function signInAndEnter() {
  await signIn();
  enter();
}

function onSubmit(id, box, work) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    attend($(id).querySelector(".primary"), $(box), work);
  });
}

function onClick(id, box, work) {
  $(id).addEventListener("click", () => attend($(id), $(box), work));
}

onSubmit("sign-in", "guest-message", signInAndEnter);
onSubmit("start", "player-message", start);
onClick("complete", "player-message", complete);
onClick("cancel", "player-message", cancel);
onClick("sign-out", "player-message", () => signOut());
onClick("sign-out-everywhere", "player-message", signOutEverywhere);
onClick("older", "player-message", loadOlder);
$("history").addEventListener("toggle", loadHistory);
$("switch").addEventListener("click", switchForm);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  renewIfDue();
  lookAgain();
  loadProfile();
  loadAroundSoon();
  loadLines();
});

onProfile(() => {
  loadHistory();
  fillDisplayName();
  loadAroundSoon();
});
onBoard(takeBoard);
onOwn((own) => {
  takeOwn(own);
  loadAroundSoon();
});
onEnd(leave);
watchAround();
watchFind();
watchLines();
watchLanguage();
watchBoards(lookAtAnother);
restore();
if (session) enter();
else {
  showPanel();
  goLive();
  comeBack(enter);
}
loadAbout().then(introduce);
watchLinks(enter);
