/**
 * What the wall's address asks for: `/wall?board=quests`, `/wall?boards=all-time,daily&every=30&theme=light`, and after
 * `#`, which no server and no log ever sees: `#join=CODE` (how to join is shown, with that code), `#lobby`, `#ceremony`.
 */

import { ALL_TIME } from "./chosen.js";

const EVERY_S = 20;
const LEAST_EVERY_S = 5;
const MOST_BOARDS = 20;

const query = new URLSearchParams(location.search);

/** The boards to show in turn; none: all that there are. @type {string[] | null} */
export const boardIds = readBoards();

/** For how long each of several boards is shown, in milliseconds. */
export const everyMs = 1_000 * Math.max(LEAST_EVERY_S, Number(query.get("every")) || EVERY_S);

/** @type {string} "dark", "light", or "auto" for what the screen's owner prefers */
export const theme = ["light", "auto"].find((it) => it === query.get("theme")) || "dark";

function readBoards() {
  const asked = query.get("boards");
  if (asked === "all") return null;
  const ids = (asked || query.get("board") || ALL_TIME).split(",").map((id) => id.trim()).filter(Boolean);
  return [...new Set(ids)].slice(0, MOST_BOARDS);
}

/** What stands after `#`, by now. */
export function asked() {
  const words = new URLSearchParams(location.hash.slice(1));
  const code = (words.get("join") || "").toUpperCase().replace(/[^A-Z0-9]/g, "").slice(0, 8);
  return { code, lobby: words.has("lobby"), ceremony: words.has("ceremony") };
}
