/** The screen itself: kept awake, kept from burning in, full, fresh in the morning, and left by whatever one has at hand. */

import { loadAbout } from "./about.js";
import { address } from "./api.js";
import { $ } from "./elements.js";

const SHOW_CONTROLS_MS = 3_000;
const LONG_PRESS_MS = 1_000;
const MINUTE_MS = 60_000;
const RELOAD_HOUR = 4; // nobody looks
const BACK_KEYS = ["Escape", "GoBack", "BrowserBack", "XF86Back"];
const BACK_CODES = [461, 10_009]; // the remote controls of webOS and Tizen
/** Of two pixels each, by minutes: no edge stays where it is all night. */
const SHIFTS = [[0, 0], [2, 0], [2, 2], [0, 2], [-2, 2], [-2, 0], [-2, -2], [0, -2], [2, -2]];

let hideTimer;
let pressTimer;
/** @type {any} */
let awake = null;

/**
 * Takes care of it.
 * @param {string} version of the service that the page was made by
 * @param {() => boolean} back ends something that is less than the whole wall, if there is something
 */
export function watchScreen(version, back) {
  document.addEventListener("visibilitychange", stayAwake);
  stayAwake();
  watchExits(back);
  let minutes = 0;
  setInterval(() => {
    minutes += 1;
    const [x, y] = SHIFTS[minutes % SHIFTS.length];
    document.body.style.transform = `translate(${x}px, ${y}px)`;
    if (new Date().getHours() === RELOAD_HOUR) reloadIfNewer(version);
  }, MINUTE_MS);
}

/** Asks again each time the page is looked at: a hidden page loses the lock. It is had on https: and localhost only. */
async function stayAwake() {
  if (document.hidden || !navigator.wakeLock) return;
  awake = await navigator.wakeLock.request("screen").catch(() => null);
}

/** A newer release has newer files: they are taken up while nobody looks. */
async function reloadIfNewer(version) {
  const about = await loadAbout();
  if (about.version !== version) location.reload();
}

export function leave() {
  if (awake) awake.release();
  location.assign(address("/"));
}

function watchExits(back) {
  addEventListener("keydown", (event) => {
    if (!BACK_KEYS.includes(event.key) && !BACK_CODES.includes(event.keyCode)) return;
    event.preventDefault();
    if (!back()) leave();
  });
  for (const type of ["pointermove", "pointerdown", "focusin"]) addEventListener(type, showControls);
  addEventListener("pointerdown", ({ target }) => {
    if (target instanceof Element && target.closest("form, button")) return;
    pressTimer = setTimeout(leave, LONG_PRESS_MS);
  });
  for (const type of ["pointerup", "pointercancel", "contextmenu"]) addEventListener(type, () => clearTimeout(pressTimer));
  $("leave").addEventListener("click", leave);
  $("full").hidden = !document.documentElement.requestFullscreen;
  $("full").addEventListener("click", () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen().catch(() => {}); // then it is as large as its window
  });
}

function showControls() {
  document.body.classList.add("touched");
  clearTimeout(hideTimer);
  hideTimer = setTimeout(() => document.body.classList.remove("touched"), SHOW_CONTROLS_MS);
}
