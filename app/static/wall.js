/** The wall view: the board alone, as large as the screen, which is kept from going dark. `/?wall` begins with it. */

import { $ } from "./elements.js";

/** @type {WakeLockSentinel | null} */
let awake = null;

const onWall = () => document.documentElement.dataset.view === "wall";

export function toggleWall() {
  if (onWall()) return leaveWall();
  enterWall();
  // A browser that refuses shows the board as large as its window.
  document.documentElement.requestFullscreen?.().catch(() => {});
}

function enterWall() {
  document.documentElement.dataset.view = "wall";
  showButton();
  stayAwake();
}

function leaveWall() {
  delete document.documentElement.dataset.view;
  showButton();
  awake?.release();
  awake = null;
  if (document.fullscreenElement) document.exitFullscreen();
}

function showButton() {
  $("wall").textContent = onWall() ? "Leave wall view" : "Wall view";
  $("wall").setAttribute("aria-pressed", String(onWall()));
}

/** Asks again each time the page is looked at: a hidden page loses the lock. It is had on https: and localhost only. */
async function stayAwake() {
  if (!onWall() || document.hidden) return;
  awake = await navigator.wakeLock?.request("screen").catch(() => null) ?? null;
}

/** Takes up the view that the address asks for, and lets Escape leave it. */
export function watchWall() {
  document.addEventListener("visibilitychange", stayAwake);
  document.addEventListener("fullscreenchange", () => document.fullscreenElement || !onWall() || leaveWall());
  addEventListener("keydown", ({ key }) => key === "Escape" && onWall() && leaveWall());
  if (new URLSearchParams(location.search).has("wall")) enterWall();
}
