/** What the page knows of the service right now; no elements. Whoever shows some of it is told of each change. */

/**
 * @typedef {object} Desk
 * @property {Record<string, any> | null} stats the counters
 * @property {boolean} reachable
 * @property {{board: string, title: string, period?: string, frozen: boolean, frozenFrom: string | null,
 *   thawedAt: string | null, revealed?: number, places?: number}[]} boards with what is frozen of them
 * @property {{name: string, enabled: boolean}[]} flags
 * @property {{ok: boolean, checks: {name: string, violations: number}[], at: Date} | null} audit the last full check
 * @property {import("../about.js").About | null} about
 */

/** @type {Desk} */
export const desk = { stats: null, reachable: true, boards: [], flags: [], audit: null, about: null };

/** @type {(() => void)[]} */
const watchers = [];

/** Calls `watcher` after each change. */
export function onDesk(watcher) {
  watchers.push(watcher);
}

/** Notes something new. @param {Partial<Desk>} news */
export function note(news) {
  Object.assign(desk, news);
  for (const watcher of watchers) watcher();
}

/** Forgets everything but what is said to anybody. */
export function forgetDesk() {
  note({ stats: null, reachable: true, boards: [], flags: [], audit: null });
}

/** Whether updates go out to screens. */
export const broadcasting = (flags = desk.flags) => flags.find(({ name }) => name === "broadcast")?.enabled !== false;
