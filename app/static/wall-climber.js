/** Who has climbed most within ten minutes, of those whom the board shows. */

const WITHIN_MS = 600_000;
const EVERY_MS = 30_000; // between two moments that are remembered: twenty, however long the night

export class Climbers {
  constructor() {
    /** @type {{at: number, ranks: Map<string, number>}[]} the oldest first */
    this._past = [];
  }

  /**
   * Returns who has climbed most, or null.
   * @param {import("./scoreboard.js").Entry[]} entries
   * @param {number} now milliseconds
   */
  best(entries, now) {
    this._past = this._past.filter(({ at }) => at > now - WITHIN_MS);
    const last = this._past[this._past.length - 1];
    if (!last || last.at <= now - EVERY_MS) this._past.push({ at: now, ranks: ranksOf(entries) });
    // Who has come since is remembered from then on, not from the next moment on.
    else for (const { userId, rank } of entries) if (!this._rankOf(userId)) last.ranks.set(userId, rank);
    const climbed = entries.map((entry) => ({ entry, by: this._rankOf(entry.userId) - entry.rank }));
    return climbed.reduce((most, it) => (it.by > (most ? most.by : 0) ? it : most), null);
  }

  /** The rank at the first moment at which somebody was there; 0 for whoever never was. */
  _rankOf(userId) {
    const first = this._past.find(({ ranks }) => ranks.has(userId));
    return first ? first.ranks.get(userId) : 0;
  }
}

const ranksOf = (entries) => new Map(entries.map(({ userId, rank }) => [userId, rank]));
