/** The ways by which boards come, the best first, and connections of each kind. */

import { inbox } from "./inbox.js";
import { openPoll } from "./poll.js";
import { openSocket } from "./socket.js";
import { canStream, openStreams } from "./stream.js";

/**
 * @typedef {import("./types.js").Way} Way
 * @typedef {import("./errors.js").FollowError} FollowError
 * @typedef {{code?: number, refusal?: FollowError}} Ending `code`: the service's reason to end what was open; `refusal`:
 *   its answer; neither: the network, or what looks like it
 *
 * @typedef {object} Opening
 * @property {string} base
 * @property {string[]} boards
 * @property {string | null} bearer
 * @property {boolean} own whether to tell one's own numbers
 * @property {any} WebSocket
 * @property {import("./types.js").Fetch} fetch
 * @property {(board: string) => import("./types.js").Position | null} positionOf
 * @property {(text: string) => void} onText
 * @property {(message: any) => void} onMessage
 * @property {(ending: Ending) => void} onEnd
 * @typedef {{turnTo: (boards: string[]) => void, close: () => void}} Connection
 * @typedef {{way: Way, bearer: string | null, own: boolean, spoke: boolean, told: Set<string>,
 *   connection: Connection | null}} Line `told`: the boards of which it has told
 *
 * @typedef {object} Needs
 * @property {string} base
 * @property {import("./types.js").Options["token"]} token
 * @property {import("./types.js").Fetch} fetch
 * @property {any} WebSocket
 * @property {{fault: (message: any) => Promise<string | undefined>, allowFetch: () => void} | null} verifier
 * @property {() => string[]} boards
 * @property {(board: string) => import("./types.js").Position | null} positionOf
 * @property {() => boolean} wantsOwn
 * @property {(message: any, first: boolean) => boolean} onMessage
 * @property {(error: FollowError) => void} onError
 * @property {() => void} onLoss
 * @property {(error: FollowError) => void} onEnd
 */

const OPEN = { socket: openSocket, stream: openStreams, poll: openPoll };

/**
 * Return the ways that there are, the best first.
 * @param {Needs} needs @param {string | null} bearer
 * @returns {Way[]}
 */
export function waysOf({ WebSocket, fetch, verifier }, bearer) {
  /** @type {Way[]} */ const ways = [];
  if (bearer && WebSocket) ways.push("socket");
  if (canStream(fetch)) ways.push("stream");
  if (!verifier) ways.push("poll"); // its answers aren't signed
  return ways;
}

/**
 * Open a line.
 * @param {Needs} needs @param {Way} way @param {string | null} bearer
 * @param {{isOpen: (line: Line) => boolean, take: (line: Line, message: any) => void,
 *   over: (line: Line, ending: Ending) => void}} to
 * @returns {Line}
 */
export function openLine(needs, way, bearer, to) {
  /** @type {Line} */ const line = { way, bearer, own: needs.wantsOwn(), spoke: false, told: new Set(), connection: null };
  const take = (/** @type {any} */ message) => to.isOpen(line) && to.take(line, message);
  const onEnd = (/** @type {Ending} */ ending) => to.isOpen(line) && to.over(line, ending);
  const drop = (/** @type {FollowError} */ error) => to.isOpen(line) && needs.onError(error);
  const { base, fetch, WebSocket, positionOf, verifier } = needs;
  const about = { base, boards: needs.boards(), bearer, own: line.own, WebSocket, fetch, positionOf };
  const opening = { ...about, onText: inbox(verifier, take, drop), onMessage: take, onEnd };
  try {
    line.connection = OPEN[way](opening);
  } catch {
    Promise.resolve().then(() => onEnd({})); // a WebSocket that may not be opened from here
  }
  return line;
}
