/** Asks the service again and again, as long as somebody is signed in and looks. */

import { CallError, pause } from "../api.js";
import { session } from "../session.js";
import { note } from "./desk.js";

const BEAT_MS = 2_000;
const LONGEST_MS = 20_000;
const AWAY = [0, 502, 503, 504]; // statuses of a service that does not answer

/** @type {{every: number, work: () => Promise<unknown>, wanted: () => boolean, due: number}[]} */
const works = [];
let turn = 0; // rises with each sign-in, so that an older loop ends
let wake = () => {};

/** Has something asked for each `every` ms while it is `wanted`. */
export function beat(every, work, wanted = () => true) {
  works.push({ every, work, wanted, due: 0 });
}

/** Asks for everything now: something was changed, or another section is looked at. */
export function refresh() {
  for (const it of works) it.due = 0;
  wake();
}

/** Begins to ask; an older loop ends. */
export async function start() {
  const mine = ++turn;
  let wait = BEAT_MS;
  refresh();
  while (session && mine === turn) {
    if (!document.hidden) wait = (await round(() => mine === turn)) ? BEAT_MS : Math.min(wait * 2, LONGEST_MS);
    await Promise.race([pause(wait * (0.9 + Math.random() * 0.2)), new Promise((resolve) => (wake = () => resolve()))]);
  }
}

/** Ends it. */
export function stop() {
  turn++;
  wake();
}

/** Asks for all that is due. @returns {Promise<boolean>} whether the service answered */
async function round(going) {
  for (const it of works) {
    if (!it.wanted() || Date.now() < it.due) continue;
    it.due = Date.now() + it.every;
    try {
      await it.work();
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      if (!AWAY.includes(error.status)) continue; // refused: asked for again when it is due
      it.due = 0;
      if (going()) note({ reachable: false });
      return false;
    }
    if (!going()) return true;
  }
  note({ reachable: true });
  return true;
}
