/** Tells a screen reader of the leader and of oneself: the newest state alone, no more often than one can listen to. */

import { look, ownEntry } from "./board.js";
import { $ } from "./elements.js";
import { nameOf } from "./names.js";
import { spoken } from "./values.js";
import { t } from "./words.js";

/** @typedef {import("./scoreboard.js").Entry} Entry */

const EVERY_MS = 10_000;

let timer;
let announcement = "";
let announcedAt = -EVERY_MS;

/** @param {Entry[]} payload @param {Entry[]} before */
export function announce(payload, before) {
  const own = ownEntry(payload);
  const leader = payload[0]?.rank === 1 ? payload[0] : undefined; // the first is revealed last
  if (own && own.rank !== ownEntry(before)?.rank) announcement = t("player.now-on-rank", { rank: own.rank });
  else if (leader && leader.userId !== before[0]?.userId) {
    announcement = t("player.leads", { name: nameOf(leader), score: spoken(leader.score, look().rule.unit) });
  } else return;
  clearTimeout(timer);
  timer = setTimeout(() => {
    announcedAt = performance.now();
    $("announcer").textContent = announcement;
  }, Math.max(0, announcedAt + EVERY_MS - performance.now()));
}
