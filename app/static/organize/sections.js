/** The page's sections, each with an address of its own: #now, #decide … */

import { $ } from "../elements.js";
import { t } from "../words.js";
import { refresh } from "./pulse.js";

/** The sections by their addresses, and their titles. */
const TITLES = {
  now: "organizer.now",
  decide: "organizer.decide",
  players: "organizer.players",
  boards: "organizer.boards",
  share: "organizer.share",
  activity: "organizer.activity",
  settings: "organizer.settings",
};
const SECTIONS = Object.keys(TITLES);

let present = "";

/** @type {((section: string) => void)[]} */
const arrivals = [];

/** Calls `work` each time a section comes up. @param {(section: string) => void} work */
export function onArrival(work) {
  arrivals.push(work);
}

/** Whether the section is looked at. @param {...string} names */
export const isUp = (...names) => names.includes(present);

/** Goes to a section. @param {string} name */
export function goTo(name) {
  if (location.hash === `#${name}`) showPresent();
  else location.hash = name;
}

const named = () => SECTIONS.find((name) => location.hash === `#${name}`) ?? SECTIONS[0];

function showPresent() {
  const name = named();
  const changed = name !== present;
  present = name;
  for (const it of SECTIONS) $(it).hidden = it !== name;
  for (const link of document.querySelectorAll("nav a, #account a")) {
    if (link.getAttribute("href") === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${t(TITLES[name])} · ${$("service-name").textContent}`;
  if (!changed) return;
  scrollTo(0, 0);
  $(name).querySelector("h2").focus({ preventScroll: true });
  for (const work of arrivals) work(name);
  refresh();
}

/** Shows the section of the address now, and whenever it changes. */
export function watchSections() {
  addEventListener("hashchange", () => $("desk").hidden || showPresent());
}

/** Shows the section that the address names. */
export function enterSections() {
  present = "";
  showPresent();
}
