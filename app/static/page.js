/** The live page, wired. Whatever players typed reaches it through textContent alone. */

import { loadAbout } from "./about.js";
import { offer, showPanel, signIn, toggleForm, switchForm } from "./account.js";
import { announce } from "./announcer.js";
import { forgetAround, loadAroundSoon, onNeighbours, watchAround } from "./around.js";
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
import { forgetActions, offerActions, resume } from "./play.js";
import { forgetProfile, loadProfile, loadProfileSoon, onNumbers, onProfile, takeOwn } from "./profile.js";
import { watchLinks } from "./reset.js";
import { onEnd, renewIfDue, restore, session, signOut, signOutEverywhere } from "./session.js";
import { comeBack, offerSignIns } from "./sign-ins.js";
import { showStrip } from "./strip.js";
import { lookAgain, noteChange, watchBoards } from "./switcher.js";

function takeBoard(board) {
  const before = shown;
  if (!show(board)) return;
  if (before) announce(board.payload, before.payload);
  noteChange(board);
  showStrip();
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
  showStrip();
  goLive();
  offerActions();
  resume();
  loadProfile();
}

function leave(message) {
  leaveLive();
  showPanel();
  forgetActions();
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
onClick("sign-out", "player-message", () => signOut());
onClick("sign-out-everywhere", "player-message", signOutEverywhere);
onClick("older", "player-message", loadOlder);
$("history").addEventListener("toggle", loadHistory);
$("switch").addEventListener("click", switchForm);
$("join").addEventListener("click", toggleForm);
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
onNumbers(showStrip);
onNeighbours(showStrip);
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
watchBoards(lookAtAnother, showStrip);
restore();
if (session) enter();
else {
  showPanel();
  goLive();
  comeBack(enter);
}
loadAbout().then(introduce);
watchLinks(enter);
