/** Boards by asking for them again and again, where nothing else gets through. */

import { address, boardInQuery } from "./addresses.js";
import { FollowError, refusalIn } from "./errors.js";
import { OPEN_TIMEOUT_MS, POLL_MS, timeout } from "./timing.js";

const hidden = () => Boolean(globalThis.document && globalThis.document.hidden);

/**
 * Ask for the boards until an answer isn't one.
 * @param {import("./ways.js").Opening} opening
 * @returns {import("./ways.js").Connection}
 */
export function openPoll({ base, boards, bearer, fetch, onMessage, onEnd }) {
  /** @type {Map<string, string>} */ const tags = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let timer;
  let [open, asking, followed] = [true, false, boards];

  async function ask() {
    clearTimeout(timer);
    if (asking || hidden()) return;
    asking = true;
    const asked = followed;
    try {
      for (const board of asked) if (open) await askFor(board);
    } catch (error) {
      if (open) onEnd(error instanceof FollowError ? { refusal: error } : {});
      open = false;
    }
    asking = false;
    if (open) timer = setTimeout(ask, asked === followed ? POLL_MS : 0);
  }

  /** @param {string} board */
  async function askFor(board) {
    /** @type {{[name: string]: string}} */ const headers = { Accept: "application/json" };
    const tag = tags.get(board);
    if (tag) headers["If-None-Match"] = tag;
    if (bearer) headers.Authorization = `Bearer ${bearer}`;
    const { signal, over } = timeout(OPEN_TIMEOUT_MS);
    try {
      const url = address(base, "/top-scores", { board: boardInQuery(board) });
      const response = await fetch(url, { headers, signal, cache: "no-store" });
      if (!response.ok && response.status !== 304) throw await refusalIn(response);
      const payload = response.ok ? await response.json() : null;
      if (open && followed.includes(board)) take(board, response.headers, payload);
    } finally {
      over();
    }
  }

  /** @param {string} board @param {any} headers @param {any} payload null: unchanged */
  function take(board, headers, payload) {
    const tag = headers.get("ETag") || tags.get(board) || "";
    const [, epoch, version] = /"(.+)-(\d+)"/.exec(tag) || [];
    const paused = headers.get("Broadcasting") === "false";
    const about = { board, epoch, version: Number(version), broadcasting: !paused, ...freezeIn(headers) };
    if (!payload) return onMessage({ type: "heartbeat", ...about });
    tags.set(board, tag);
    const changed = Date.parse(headers.get("Last-Modified") || headers.get("Date") || "");
    const timestamp = new Date(changed || Date.now()).toISOString();
    const { broadcasting, ...update } = about;
    onMessage({ type: "top_scores_update", ...update, payload, timestamp });
    onMessage({ type: "heartbeat", ...about });
  }

  const wake = () => void (open && ask());
  if (globalThis.document) globalThis.document.addEventListener("visibilitychange", wake);
  ask();
  return {
    turnTo(ids) {
      followed = ids;
      for (const id of [...tags.keys()]) if (!ids.includes(id)) tags.delete(id);
      ask();
    },
    close() {
      open = false;
      clearTimeout(timer);
      if (globalThis.document) globalThis.document.removeEventListener("visibilitychange", wake);
    },
  };
}

/** What headers say of a board's freeze, as its messages say it. @param {any} headers */
function freezeIn(headers) {
  const frozenSince = headers.get("Board-Frozen");
  if (!frozenSince) return {};
  const revealed = headers.get("Board-Revealed");
  if (!revealed) return { frozen: true, frozenSince };
  const [shown, places] = revealed.split("/").map(Number);
  return { frozen: true, frozenSince, revealed: shown, places };
}
