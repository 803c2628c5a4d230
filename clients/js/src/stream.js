/** Boards over Server-Sent Events, a stream for each: for spectators, and where WebSockets don't get through. */

import { address, boardInQuery } from "./addresses.js";
import { FollowError, refusalIn } from "./errors.js";
import { readEvents } from "./sse.js";

/** Return whether answers can be read as they come: React Native's `fetch` waits for their end. */
export const canStream = (/** @type {import("./types.js").Fetch} */ fetch) =>
  fetch !== globalThis.fetch || (typeof ReadableStream === "function" && "body" in Response.prototype);

/**
 * Open streams. The first that ends is the end of all.
 * @param {import("./ways.js").Opening} opening
 * @returns {import("./ways.js").Connection}
 */
export function openStreams({ base, boards, bearer, fetch, positionOf, onText, onEnd }) {
  /** @type {Map<string, AbortController>} */ const open = new Map();

  /** @param {string} board */
  function begin(board) {
    const controller = new AbortController();
    open.set(board, controller);
    const isOpen = () => open.get(board) === controller;
    const ended = (/** @type {any} */ ending) => isOpen() && onEnd(ending);
    read(board, controller.signal, isOpen).then(ended, (error) => {
      ended(error instanceof FollowError ? { refusal: error } : {});
    });
  }

  /** @param {string} board @param {AbortSignal} signal @param {() => boolean} isOpen */
  async function read(board, signal, isOpen) {
    /** @type {{[name: string]: string}} */ const headers = { Accept: "text/event-stream" };
    const seen = positionOf(board);
    if (bearer) headers.Authorization = `Bearer ${bearer}`;
    if (seen) headers["Last-Event-ID"] = `${seen.epoch}-${seen.version}`;
    const url = address(base, "/top-scores/stream", { board: boardInQuery(board) });
    const response = await fetch(url, { headers, signal, cache: "no-store" });
    if (!response.ok) throw await refusalIn(response);
    if (!response.body || !/^text\/event-stream/i.test(response.headers.get("Content-Type") || "")) {
      throw new FollowError("There is no stream here.", { status: response.status, code: "no-stream" });
    }
    let ending = {};
    await readEvents(response.body, ({ type, data }) => {
      if (!isOpen()) return;
      if (type === "end") ending = { code: codeIn(data) };
      else onText(data);
    });
    return ending;
  }

  boards.forEach(begin);
  return {
    turnTo(ids) {
      for (const id of [...open.keys()]) if (!ids.includes(id)) end(id);
      for (const id of ids) if (!open.has(id)) begin(id);
    },
    close: () => [...open.keys()].forEach(end),
  };

  /** @param {string} board */
  function end(board) {
    const controller = open.get(board);
    open.delete(board); // first, so that its abort is no ending
    if (controller) controller.abort();
  }
}

/** @param {string} data */
function codeIn(data) {
  try {
    return JSON.parse(data).code;
  } catch {
    return undefined;
  }
}
