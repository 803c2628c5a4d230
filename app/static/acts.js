/** A button for each type of action: it starts one, shows how far it is, and finishes it. */

import { $, copyOf } from "./elements.js";
import { clock, grouped } from "./numbers.js";
import { describe, rulesOf, titleOf } from "./types.js";
import { t } from "./words.js";

/**
 * @typedef {{main: HTMLButtonElement, cancel: HTMLButtonElement, root: HTMLElement}} Act
 * @typedef {{press: (type: string, act: Act) => void, giveUp: (type: string, act: Act) => void}} Wishes
 */

/** @type {Map<string, Act>} */
const acts = new Map();

/** Shows a button for each of these types, those that stay as they are. @param {string[]} types @param {Wishes} wishes */
export function showActs(types, wishes) {
  for (const [type, { root }] of acts) {
    if (types.includes(type)) continue;
    root.remove();
    acts.delete(type);
  }
  types.forEach((type, at) => {
    if (!acts.has(type)) acts.set(type, make(type, wishes));
    const { root } = acts.get(type);
    if ($("types").children[at] !== root) $("types").insertBefore(root, $("types").children[at] ?? null);
  });
}

function make(type, { press, giveUp }) {
  const root = copyOf("type");
  const act = { root, main: root.querySelector(".act-main"), cancel: root.querySelector(".act-cancel") };
  root.dataset.type = type;
  act.main.addEventListener("click", () => press(type, act));
  act.cancel.addEventListener("click", () => giveUp(type, act));
  return act;
}

/** Writes a button anew. @param {string} type @param {number | null} seconds for how long it has been open; null: it isn't */
export function dressAct(type, seconds) {
  const act = acts.get(type);
  if (!act) return;
  const { root, main, cancel } = act;
  const { points, minSeconds = 0 } = rulesOf(type);
  const runs = seconds !== null;
  const early = runs && seconds < minSeconds;
  root.classList.toggle("runs", runs);
  // It stays focusable while it waits, so that the keyboard needn't look for it again.
  main.setAttribute("aria-disabled", String(early));
  write(part(root, "act-name"), runs ? t("player.finish", { title: titleOf(type) }) : titleOf(type));
  write(part(root, "act-points"), points === undefined ? "" : `+${grouped(points)}`);
  write(part(root, "act-rules"), runs ? progressOf(type, seconds) : describe(rulesOf(type)));
  part(root, "act-fill").style.transform = `scaleX(${runs && minSeconds ? Math.min(1, seconds / minSeconds) : Number(runs)})`;
  cancel.hidden = !runs;
}

/** The button of a type, for the keyboard's focus. */
export const buttonOf = (type) => acts.get(type)?.main;

function progressOf(type, seconds) {
  const { minSeconds = 0, maxSeconds } = rulesOf(type);
  const time = clock(seconds);
  if (seconds < minSeconds) return t("player.of-at-least", { time, least: clock(minSeconds) });
  if (!maxSeconds) return time;
  const left = Math.ceil(maxSeconds - seconds);
  return left > 0 ? t("player.open-for", { time, left: clock(left) }) : t("player.open-too-long");
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @returns {HTMLElement} */
const part = (root, name) => root.querySelector(`.${name}`);
