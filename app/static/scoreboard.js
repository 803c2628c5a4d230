/**
 * The client of Scoreboard, in one file without dependencies: copy it, import it from any service at /scoreboard.js, or
 * install it. How to use it: clients/js/README.md. Made from clients/js/src by bin/client.
 *
 *     import { follow } from "/scoreboard.js";
 *     follow("/").subscribe((board, state) => draw(board, state));
 */
/** Addresses, as text: React Native's URL can't be changed, and its WebSocket takes nothing else. */

const DEFAULT_BOARD = "all-time";

/**
 * Return the service's address without a slash at its end. Relative ones are completed where there is a page.
 * @param {string | URL} url
 */
function baseOf(url) {
  const text = absolute(String(url)).replace(/^ws/i, "http");
  return text.replace(/[?#].*$/, "").replace(/\/+$/, "");
}

/** @param {string} url */
function absolute(url) {
  if (/^\w[\w+.-]*:/.test(url)) return url;
  if (!globalThis.location) throw new TypeError("Give the whole address of the service, such as https://scores.example");
  return new URL(url, globalThis.location.href).href;
}

/**
 * Return a path of the service with its query.
 * @param {string} base @param {string} path @param {{[name: string]: string | undefined}} query
 */
function address(base, path, query) {
  const members = Object.entries(query).filter(([, value]) => value !== undefined);
  const text = members.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join("&");
  return base + path + (text && `?${text}`);
}

/** The board, as a query names it: the default one goes without saying. @param {string} board */
const boardInQuery = (board) => (board === DEFAULT_BOARD ? undefined : board);

/** What went wrong, as errors that say so. */

/** A refusal by the service, a message that was dropped, or a mistake in what was given. */
class FollowError extends Error {
  /** @param {string} message @param {Refusal} refusal */
  constructor(message, { status, code, retryAfter, boards }) {
    super(message);
    this.name = "FollowError";
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
    this.boards = boards;
  }
}

/**
 * Return what an answer that isn't the wanted one says: problem+json, or what a proxy in between makes of it.
 * @param {any} response
 */
async function refusalIn(response) {
  const problem = (await response.json().catch(() => null)) || {};
  const seconds = parseInt(response.headers.get("Retry-After") || "", 10);
  return new FollowError(problem.detail || problem.title || `The service answered ${response.status}.`, {
    status: response.status,
    code: typeof problem.code === "string" ? problem.code : `http-${response.status}`,
    retryAfter: seconds >= 0 ? seconds : undefined,
  });
}

/** Listeners for events that are plain objects: not every platform has an `EventTarget` (React Native). */

/** Report a mistake in a callback, which shall end nothing here. Deno and Node end for what `reportError` is told. */
function report(/** @type {unknown} */ error) {
  const { document, reportError } = /** @type {any} */ (globalThis);
  if (document && reportError) reportError(error);
  else console.error(error);
}

/** Return the listeners of something that tells `error` and `own`, and the function that tells them. */
function listeners() {
  /** @type {{[type: string]: Set<(event: any) => void>}} */
  const byType = { error: new Set(), own: new Set() };

  /** @type {Following["addEventListener"]} */
  function add(type, listener) {
    if (!byType[type]) throw new TypeError(`There is no event "${type}", but "error" and "own".`);
    byType[type].add(listener);
  }

  /** @type {Following["removeEventListener"]} */
  function remove(type, listener) {
    if (byType[type]) byType[type].delete(listener);
  }

  /** @param {ErrorEvent | OwnEvent} event */
  function tell(event) {
    for (const listener of [...byType[event.type]]) {
      try {
        listener(event);
      } catch (error) {
        if (event.type === "error") report(error);
        else mistake(error);
      }
    }
  }

  /** Tell of a mistake in a callback; where nobody listens for errors, the platform does. @param {any} error */
  function mistake(error) {
    if (byType.error.size === 0) return report(error);
    tell({ type: "error", error, code: "callback" });
  }

  return { add, remove, tell, mistake, wanted: (/** @type {string} */ type) => byType[type].size > 0 };
}

/** What is known of the boards that are followed, and who wants to know. */


/**
 * Return whether `next` replaces `seen`: a greater version, or any version of another epoch.
 * @param {Position | null} seen
 * @param {Position} next
 */
const isNewer = (seen, next) => !seen || next.epoch !== seen.epoch || next.version > seen.version;

/**
 * Make a store for these boards.
 * @param {string[]} ids
 * @param {(error: unknown) => void} mistake told of what a callback throws
 */
function storeOf(ids, mistake) {
  /** @type {Map<string, Board>} */ let values = new Map();
  /** @type {Map<string, boolean>} */ const frozen = new Map();
  /** @type {Map<string, State>} */ const told = new Map();
  /** @type {Set<(board: Board | null, state: State) => void>} */ const subscribers = new Set();
  /** @type {Set<() => void>} */ const waiting = new Set(); // iterators
  /** @type {"connecting" | "up" | "reconnecting" | "ended"} */ let line = "connecting";
  let paused = false;
  /** @type {unknown} */ let failure;

  /** @returns {State} */
  function stateOf(/** @type {string} */ id) {
    if (line !== "up") return line;
    return paused ? "paused" : frozen.get(id) ? "frozen" : "live";
  }

  /** @param {(board: Board | null, state: State) => void} callback @param {string} id */
  function call(callback, id) {
    try {
      callback(values.get(id) || null, stateOf(id));
    } catch (error) {
      mistake(error);
    }
  }

  /** Tell of a board, whose value or state has changed. @param {string} id */
  function tell(id) {
    told.set(id, stateOf(id));
    for (const callback of [...subscribers]) call(callback, id);
    for (const wake of [...waiting]) wake();
  }

  /** Tell of the states that have changed; of a board that hasn't come yet only if it is the first. */
  function tellStates() {
    for (const id of ids) if (told.get(id) !== stateOf(id) && (values.has(id) || id === ids[0])) tell(id);
  }

  return {
    stateOf,
    ids: () => ids,
    values: () => Object.fromEntries(values),
    isPaused: () => paused,
    /** @param {string} id */
    positionOf: (id) => values.get(id) || null,

    /** Take a newer version of a board. @param {Board} board @param {boolean} playing whether it says that nothing is paused */
    take(board, playing) {
      if (playing) paused = false;
      values = new Map(values).set(board.board, board);
      frozen.set(board.board, board.frozen === true);
      line = "up";
      tell(board.board);
      tellStates();
    },

    /** Take what a heartbeat says of a board besides its version. @param {any} message */
    hear({ board, broadcasting, frozen: isFrozen }) {
      line = "up";
      if (broadcasting !== undefined) {
        paused = broadcasting === false;
        frozen.set(board, isFrozen === true);
      }
      tellStates();
    },

    /** Say that the line is lost, or that the first attempt has failed. */
    lose() {
      if (line !== "ended") line = "reconnecting";
      tellStates();
    },

    /** @param {unknown} [error] */
    end(error) {
      if (line === "ended") return;
      [line, failure] = ["ended", error];
      tellStates();
      for (const wake of [...waiting]) wake();
    },

    /** @param {string[]} next */
    turnTo(next) {
      for (const id of ids) {
        if (next.includes(id)) continue;
        values.delete(id);
        for (const known of [frozen, told]) known.delete(id);
      }
      values = new Map(values);
      ids = next;
      tellStates();
    },

    /** @type {Following["subscribe"]} */
    subscribe(callback) {
      const own = (/** @type {Board | null} */ board, /** @type {State} */ state) => callback(board, state);
      subscribers.add(own);
      const known = ids.filter((id) => values.has(id));
      (known.length ? known : ids.slice(0, 1)).forEach((id) => call(own, id));
      return () => void subscribers.delete(own);
    },

    /** The newest boards: what comes while nobody asks is skipped, but for the newest of each. */
    async *iterate() {
      /** @type {Map<string, Board>} */ const seen = new Map();
      /** @type {() => void} */ let wake = () => {};
      const poke = () => wake();
      waiting.add(poke);
      try {
        for (;;) {
          const next = ids.find((id) => values.has(id) && values.get(id) !== seen.get(id));
          if (next !== undefined) {
            const board = /** @type {Board} */ (values.get(next));
            seen.set(next, board);
            yield board;
          } else if (line === "ended") {
            if (failure) throw failure;
            return;
          } else {
            await new Promise((resolve) => (wake = () => resolve(undefined)));
          }
        }
      } finally {
        waiting.delete(poke);
      }
    },
  };
}

/** Holds boards back while the operator has paused: a screen that comes back shows no more than one that stayed. */


const LONGEST_DOUBT_MS = 2_000;

/**
 * A connection begins with the board as it is, paused or not. If one has been shown before, that first one waits for the
 * heartbeat behind it, which says whether it may be seen.
 * @param {ReturnType<typeof storeOf>} store
 */
function holding(store) {
  /** @type {Map<string, Board>} */ const held = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let timer;

  function release() {
    clearTimeout(timer);
    for (const board of held.values()) if (isNewer(store.positionOf(board.board), board)) store.take(board, true);
    held.clear();
  }

  return {
    /** @param {Board} board @param {boolean} first of its connection */
    update(board, first) {
      const shown = store.positionOf(board.board);
      if (!isNewer(shown, board)) return store.hear({ board: board.board });
      if (!shown || !first) {
        held.delete(board.board);
        return store.take(board, !first);
      }
      held.set(board.board, board);
      store.hear({ board: board.board });
      clearTimeout(timer);
      timer = setTimeout(() => store.isPaused() || release(), LONGEST_DOUBT_MS); // an older service says nothing more
    },

    /** @param {any} message @returns {boolean} whether all that it names has arrived */
    heartbeat(message) {
      const newest = held.get(message.board) || store.positionOf(message.board);
      if (isNewer(newest, message)) return false;
      if (message.broadcasting) release();
      store.hear(message);
      return true;
    },

    close: () => clearTimeout(timer),
  };
}

/** How long to wait for what. */

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 20_000;
const RENEW_AFTER = 5 / 6; // of what is left of a token's life
const SOONEST_RENEWAL_MS = 1_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const OPEN_TIMEOUT_MS = 10_000;
const SILENCE_MS = 60_000; // more than two heartbeats
const POLL_MS = 5_000;
const FIRST_ASCENT_MS = 3_000;
const LONGEST_ASCENT_MS = 300_000;

/**
 * Pick the milliseconds before an attempt, counted from 1: full jitter, so that a restarted server isn't met by all
 * clients at once.
 * @param {number} attempt
 */
function backoff(attempt) {
  return Math.random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
}

/**
 * Return when a token should be replaced, in milliseconds from now; null when it doesn't tell, or is over already. By our
 * own clock: where that is wrong, the server's 4401 has the last word.
 * @param {Token} token
 */
function renewalDelay(token) {
  try {
    const { exp } = JSON.parse(atob(String(token).split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
    const left = exp * 1000 - Date.now();
    return left > 0 ? Math.min(Math.max(left * RENEW_AFTER, SOONEST_RENEWAL_MS), LONGEST_TIMER_MS) : null;
  } catch {
    return null; // no JWT
  }
}

/** Return a signal that aborts after a time, and the function that calls it off: `AbortSignal.timeout` is too young. */
function timeout(/** @type {number} */ ms) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ms);
  return { signal: controller.signal, over: () => clearTimeout(timer) };
}

/** Messages that come in as text, read and verified one after the other. */


const LONGEST_QUEUE = 64; // messages that wait for their signature to be verified
const UNPOSITIONED = ["own_scores", "refused"];

/**
 * Return the function that takes a connection's messages as text.
 * @param {{fault: (message: any) => Promise<string | undefined>} | null} verifier
 * @param {(message: any) => void} take
 * @param {(error: FollowError) => void} drop told of what is no message, or isn't signed
 */
function inbox(verifier, take, drop) {
  /** @type {string[]} */ const queue = [];
  let busy = false;

  return async (/** @type {string} */ text) => {
    queue.push(text);
    if (queue.length > LONGEST_QUEUE) queue.shift(); // a newer board stands behind it
    if (busy) return;
    busy = true;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const message = parse(next);
      const code = !message ? "unreadable" : verifier ? await verifier.fault(message) : undefined;
      if (code) drop(new FollowError(`A message was dropped: ${code}.`, { code }));
      else take(message);
    }
    busy = false;
  };
}

/** @param {string} text */
function parse(text) {
  try {
    const message = JSON.parse(text);
    const positioned = message && typeof message.epoch === "string" && Number.isInteger(message.version);
    return positioned || (message && UNPOSITIONED.includes(message.type)) ? message : null;
  } catch {
    return null;
  }
}

/** Boards by asking for them again and again, where nothing else gets through. */


const hidden = () => Boolean(globalThis.document && globalThis.document.hidden);

/**
 * Ask for the boards until an answer isn't one.
 * @param {Opening} opening
 * @returns {Connection}
 */
function openPoll({ base, boards, bearer, fetch, onMessage, onEnd }) {
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

/** Boards over one WebSocket. */


const PROTOCOL = "scoreboard.v1";
const OPEN$1 = 1; // of a WebSocket's `readyState`

/**
 * Open a socket. A handshake that is refused looks like a network that is away, to a browser at least.
 * @param {Opening} opening
 * @returns {Connection}
 */
function openSocket({ base, boards, bearer, own, WebSocket, onText, onEnd }) {
  let followed = boards;
  const [first = DEFAULT_BOARD] = followed;
  const query = { board: boardInQuery(first), me: own ? "1" : undefined, state: "1" };
  const url = address(base.replace(/^http/i, "ws"), "/ws", query);
  /** @type {Socket} */
  const socket = new WebSocket(url, [PROTOCOL, `bearer.${bearer}`]);
  socket.onerror = () => {}; // `ws` ends a Node process for an error that nobody hears; onclose follows anyway
  socket.onmessage = ({ data }) => onText(String(data));
  socket.onclose = ({ code }) => onEnd({ code });
  socket.onopen = () => change([first], followed); // what is followed by now

  /** @param {string[]} before @param {string[]} after */
  function change(before, after) {
    const [added, gone] = [after.filter((id) => !before.includes(id)), before.filter((id) => !after.includes(id))];
    if (gone.length) socket.send(JSON.stringify({ unsubscribe: gone }));
    if (added.length) socket.send(JSON.stringify({ subscribe: added }));
  }

  return {
    turnTo(ids) {
      if (socket.readyState === OPEN$1) change(followed, ids);
      followed = ids;
    },
    close() {
      socket.onmessage = socket.onclose = socket.onopen = null;
      socket.close();
    },
  };
}

/** Server-Sent Events, read by `fetch`: `EventSource` tells no status, takes no header, and Node has none. */

/**
 * Read the events of a body to its end.
 * @param {any} body a ReadableStream of bytes
 * @param {(event: {type: string, id: string, data: string}) => void} take
 */
async function readEvents(body, take) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let [rest, type, id] = ["", "message", ""];
  /** @type {string[]} */ let data = [];

  /** @param {string} line */
  function line(line) {
    if (line === "") {
      if (data.length) take({ type, id, data: data.join("\n") });
      [type, data] = ["message", []];
      return;
    }
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line) || [];
    if (field === "data") data.push(value);
    else if (field === "event") type = value;
    else if (field === "id") id = value;
  }

  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() || "";
    lines.forEach(line);
  }
}

/** Boards over Server-Sent Events, a stream for each: for spectators, and where WebSockets don't get through. */


/** Return whether answers can be read as they come: React Native's `fetch` waits for their end. */
const canStream = (/** @type {Fetch} */ fetch) =>
  fetch !== globalThis.fetch || (typeof ReadableStream === "function" && "body" in Response.prototype);

/**
 * Open streams. The first that ends is the end of all.
 * @param {Opening} opening
 * @returns {Connection}
 */
function openStreams({ base, boards, bearer, fetch, positionOf, onText, onEnd }) {
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

/** The ways by which boards come, the best first, and connections of each kind. */


/**
 * @typedef {Way} Way
 * @typedef {FollowError} FollowError
 * @typedef {{code?: number, refusal?: FollowError}} Ending `code`: the service's reason to end what was open; `refusal`:
 *   its answer; neither: the network, or what looks like it
 *
 * @typedef {object} Opening
 * @property {string} base
 * @property {string[]} boards
 * @property {string | null} bearer
 * @property {boolean} own whether to tell one's own numbers
 * @property {any} WebSocket
 * @property {Fetch} fetch
 * @property {(board: string) => Position | null} positionOf
 * @property {(text: string) => void} onText
 * @property {(message: any) => void} onMessage
 * @property {(ending: Ending) => void} onEnd
 * @typedef {{turnTo: (boards: string[]) => void, close: () => void}} Connection
 * @typedef {{way: Way, bearer: string | null, own: boolean, spoke: boolean, told: Set<string>,
 *   connection: Connection | null}} Line `told`: the boards of which it has told
 *
 * @typedef {object} Needs
 * @property {string} base
 * @property {Options["token"]} token
 * @property {Fetch} fetch
 * @property {any} WebSocket
 * @property {{fault: (message: any) => Promise<string | undefined>, allowFetch: () => void} | null} verifier
 * @property {() => string[]} boards
 * @property {(board: string) => Position | null} positionOf
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
function waysOf({ WebSocket, fetch, verifier }, bearer) {
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
function openLine(needs, way, bearer, to) {
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

/** Keeps a line to the service open: connects again, goes on with younger tokens, and changes to better ways. */


const TOKEN_REFUSED = 4401;
const SUSPENDED = 4403;


/**
 * Make a line, which isn't open yet.
 * @param {Needs} needs
 */
function lineOf(needs) {
  const { token, boards, onError, onMessage, onLoss, onEnd } = needs;
  /** @type {Line | null} */ let current = null;
  /** @type {Line | null} */ let successor = null; // takes over as soon as it speaks
  /** @type {{bearer: string | null, error: FollowError} | null} */ let refused = null;
  /** @type {Retry | null} */ let retry = null;
  /** @type {Timer} */ let timer; // of the attempt, the silence, or the pause
  /** @type {Timer} */ let renewal;
  /** @type {Timer} */ let ascent;
  let turn = 0; // what an earlier turn has asked for is too late
  let failures = 0;
  let rung = 0; // which of the ways is next
  let ascents = 0;
  let spared = 0; // until when the service wants to be left alone
  let lastHeard = 0;
  let closed = false;

  const to = { isOpen: (/** @type {Line} */ it) => it === current || it === successor, take, over };

  async function open() {
    if (closed) return;
    if (turn === 0) watchPlatform();
    const mine = nextTurn();
    timer = setTimeout(() => lose(), OPEN_TIMEOUT_MS);
    let bearer;
    try {
      bearer = await tokenNow();
    } catch (error) {
      if (mine !== turn) return;
      onError(new FollowError(`There is no token: ${error}`, { code: "token" }));
      return lose();
    }
    if (mine !== turn) return;
    if (refused && refused.bearer === bearer) return onEnd(refused.error);
    const ways = waysOf(needs, bearer);
    if (!ways.length) return onEnd(new FollowError("Signed boards need a WebSocket or streams.", { code: "no-way" }));
    rung %= ways.length;
    if (needs.verifier) needs.verifier.allowFetch();
    const line = (current = openLine(needs, ways[rung], bearer, to));
    clearTimeout(timer);
    if (line.way !== "poll") timer = setTimeout(() => over(line, {}), OPEN_TIMEOUT_MS);
  }

  const tokenNow = async () => (typeof token === "function" ? await token(refused ? refused.bearer : undefined) : token) || null;

  /** @param {Line} line @param {any} message */
  function take(line, message) {
    lastHeard = Date.now();
    if (!line.spoke || line !== current) begin(line);
    listenForSilence();
    const first = line.way === "poll" || !line.told.has(message.board);
    if (message.type === "top_scores_update") line.told.add(message.board);
    if (!onMessage(message, first)) lose();
  }

  /** A line speaks for the first time: only now is it worth something. @param {Line} line */
  function begin(line) {
    if (line === successor) hangUp(current);
    [current, successor, retry] = [line, null, null];
    line.spoke = true;
    failures = 0;
    rung = waysOf(needs, line.bearer).indexOf(line.way);
    planRenewal(line);
    planAscent(line);
  }

  /** @param {Line} line @param {Ending} ending */
  function over(line, { code, refusal }) {
    if (line === successor) return forgetSuccessor();
    if (code === TOKEN_REFUSED) return refuse(line, new FollowError("The token is refused.", { status: code, code: "unauthorized" }));
    if (code === SUSPENDED) return onEnd(new FollowError("The user is suspended.", { status: code, code: "user-suspended" }));
    if (!refusal) {
      if (!line.spoke) rung += 1;
      return lose();
    }
    const { status, code: reason, retryAfter } = refusal;
    if (status === 401) return refuse(line, refusal);
    if (reason === "user-suspended") return onEnd(refusal);
    spared = Math.max(spared, Date.now() + (retryAfter || 0) * 1000);
    const isLast = rung === waysOf(needs, line.bearer).length - 1;
    if (isLast && line.way === "poll" && (status === 403 || status === 404)) return onEnd(refusal);
    onError(refusal);
    if (closed) return;
    rung += 1; // after the last one the best again
    if (isLast) lose();
    else open();
  }

  /** The token may be over, and `token()` have a younger one. @param {Line} line @param {FollowError} error */
  function refuse({ bearer }, error) {
    refused = { bearer, error };
    if (typeof token !== "function") return onEnd(error);
    rung = 0;
    lose();
  }

  function lose() {
    nextTurn();
    failures += 1;
    const at = Math.max(Date.now(), spared) + backoff(failures);
    retry = { attempt: failures, at };
    timer = setTimeout(open, at - Date.now());
    onLoss();
  }

  function listenForSilence() {
    clearTimeout(timer);
    if (current && current.way === "poll") return; // it has deadlines of its own
    timer = setTimeout(() => (boards().length ? lose() : listenForSilence()), SILENCE_MS);
  }

  /** Open a line that takes over from the present one. @param {Way} way @param {string | null} bearer */
  function replace(way, bearer) {
    hangUp(successor);
    const next = (successor = openLine(needs, way, bearer, to));
    setTimeout(() => next === successor && forgetSuccessor(), OPEN_TIMEOUT_MS);
  }

  function forgetSuccessor() {
    hangUp(successor);
    successor = null;
    if (!current) return;
    planRenewal(current);
    planAscent(current);
  }

  /** @param {Line} line */
  function planRenewal(line) {
    clearTimeout(renewal);
    const delay = typeof token === "function" ? renewalDelay(line.bearer) : null;
    if (delay !== null) renewal = setTimeout(renew, delay, line);
  }

  /** @param {Line} line */
  async function renew(line) {
    const younger = await tokenNow().catch(() => null); // asked again later
    if (line !== current) return;
    if (younger && younger !== line.bearer) replace(line.way, younger);
    else planRenewal(line);
  }

  /** Try the better ways now and then. @param {Line} line */
  function planAscent(line) {
    clearTimeout(ascent);
    if (rung === 0) ascents = 0;
    if (rung === 0 || successor) return;
    const delay = Math.min(LONGEST_ASCENT_MS, FIRST_ASCENT_MS * 2 ** ascents) * (0.5 + Math.random() / 2);
    ascent = setTimeout(ascend, Math.max(delay, spared - Date.now()), line);
  }

  /** @param {Line} line */
  function ascend(line) {
    if (line === current && !successor) replace(waysOf(needs, line.bearer)[ascents++ % rung], line.bearer);
  }

  function nextTurn() {
    for (const it of [timer, renewal, ascent]) clearTimeout(it);
    // A dead network may hold the close event back for minutes, so nobody waits for it.
    for (const it of [current, successor]) hangUp(it);
    current = successor = null;
    return ++turn;
  }

  /** @param {Line | null} line */
  function hangUp(line) {
    if (line && line.connection) line.connection.close();
  }

  /** Look at once after sleep, offline or a hidden tab, where timers are late. */
  function wake() {
    if (globalThis.document && globalThis.document.hidden) return;
    if (retry && !current) {
      if (Date.now() >= spared) open();
    } else if (current && current.spoke && current.way !== "poll" && boards().length && Date.now() - lastHeard > SILENCE_MS) lose();
  }

  /** Give a line up with its network, which else would look alive until its silence is noticed. */
  function offline() {
    if (current) lose();
  }

  /** @param {"addEventListener" | "removeEventListener"} [how] */
  function watchPlatform(how = "addEventListener") {
    const { document } = globalThis;
    if (globalThis[how]) {
      globalThis[how]("online", wake);
      globalThis[how]("offline", offline);
    }
    if (document) document[how]("visibilitychange", wake);
  }

  return {
    open,
    via: () => (current && current.spoke ? current.way : null),
    retry: () => retry,
    turnTo() {
      for (const it of [current, successor]) if (it && it.connection) it.connection.turnTo(boards());
    },
    /** Have one's own numbers told: a socket is opened for that. */
    wantOwn() {
      if (current && current.way === "socket" && !current.own) replace("socket", current.bearer);
    },
    close() {
      closed = true;
      nextTurn();
      retry = null;
      watchPlatform("removeEventListener");
    },
  };
}

/** Verifies the service's signatures: Ed25519 over the canonical form of a message. */


const KEYS_TIMEOUT_MS = 5_000;
const KEYS_EVERY_MS = 10_000; // besides once a connection

/**
 * Write a JSON value in its canonical form (RFC 8785).
 * @param {unknown} value
 * @returns {string}
 */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)); // by UTF-16 units, as the RFC has it
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}

/**
 * Return what verifies messages: an HMAC can't be, since whoever could verify it could forge it as well.
 * @param {true | string | URL | KeySet} keys
 * @param {string} base
 * @param {Fetch} fetch
 */
function verifierWith(keys, base, fetch) {
  const subtle = globalThis.crypto && globalThis.crypto.subtle;
  if (!subtle) throw new TypeError("Signatures can be verified by pages of https: or localhost only.");
  const named = keys === true ? `${base}/.well-known/jwks.json` : keys;
  const source = typeof named === "string" || named instanceof URL ? absolute(String(named)) : null;
  /** @type {Map<string | undefined, CryptoKey> | null} */ let known = null;
  let fetchedAt = -Infinity;

  async function load() {
    let set = /** @type {any} */ (named);
    if (source) {
      fetchedAt = Date.now();
      const { signal, over } = timeout(KEYS_TIMEOUT_MS);
      try {
        set = await (await fetch(source, { cache: "no-cache", signal })).json();
      } finally {
        over();
      }
    }
    /** @type {typeof known} */ const fresh = new Map();
    for (const { kid, kty, crv, x } of set.keys) {
      if (kty !== "OKP" || crv !== "Ed25519") continue;
      fresh.set(kid, await subtle.importKey("jwk", { kty, crv, x }, "Ed25519", false, ["verify"]));
    }
    known = fresh;
  }

  /** @param {string} id */
  async function keyOf(id) {
    const mayLoad = source ? Math.abs(Date.now() - fetchedAt) >= KEYS_EVERY_MS : !known;
    if (!(known && known.has(id)) && mayLoad) await load().catch(() => {}); // what was known stays so
    return known ? known.get(id) : undefined;
  }

  /**
   * Return what is wrong with a message, or undefined.
   * @param {any} message
   */
  async function fault({ signature, ...message }) {
    if (!signature || typeof signature.value !== "string") return "unsigned";
    const key = signature.alg === "EdDSA" && (await keyOf(signature.keyId));
    if (!key) return "unknown-key";
    try {
      const bytes = Uint8Array.from(atob(signature.value), (char) => char.charCodeAt(0));
      const form = new TextEncoder().encode(canonical(message));
      if (await subtle.verify("Ed25519", key, bytes, form)) return undefined;
    } catch {} // not base64
    return "wrong-signature";
  }

  return { fault, allowFetch: () => void (fetchedAt = -Infinity) };
}

/** Follows boards: by a socket with a token, by a stream without one, and by asking where neither gets through. */


/**
 * Follow a board, or several, until `close()`, or until the service refuses it for good.
 *
 *     const board = follow("https://scores.example");
 *     board.subscribe((value, state) => draw(value, state));
 *     board.close();
 *
 * @param {string | URL} url the service's address, with the path below which it stands if there is one; relative ones are
 *   understood by a page
 * @param {Options} [options]
 * @returns {Following}
 */
function follow(url, options = {}) {
  const { board, boards = [board || DEFAULT_BOARD], token, keys, signal } = options;
  const { fetch = globalThis.fetch, WebSocket = globalThis.WebSocket } = options;
  const base = baseOf(url);
  const events = listeners();
  const store = storeOf(unique(boards), events.mistake);
  const screen = holding(store);
  const verifier = keys ? verifierWith(keys, base, fetch) : null;
  /** @type {number | null} */ let heardAt = null;

  const line = lineOf({
    base,
    token,
    fetch,
    WebSocket,
    verifier,
    boards: store.ids,
    positionOf: store.positionOf,
    wantsOwn: () => events.wanted("own"),
    onMessage: receive,
    onError: complain,
    onLoss: store.lose,
    onEnd: end,
  });

  /**
   * Take a message.
   * @param {any} message
   * @param {boolean} first whether it is the first update of its board on this connection
   * @returns {boolean} whether the connection is worth going on with
   */
  function receive(message, first) {
    heardAt = Date.now();
    const { type, board: id = DEFAULT_BOARD } = message;
    if (type === "refused") return refuse(message);
    if (!store.ids().includes(id)) return true; // it was on its way when it was given up
    if (type === "own_scores") {
      events.tell({ type: "own", detail: message });
      return true;
    }
    if (type === "heartbeat") return screen.heartbeat({ ...message, board: id }); // else a board has never arrived
    if (type === "top_scores_update") screen.update({ ...message, board: id }, first);
    return true;
  }

  /** @param {{boards: string[], code: string}} message */
  function refuse({ boards, code }) {
    store.turnTo(store.ids().filter((id) => !boards.includes(id)));
    complain(new FollowError(`Boards are refused: ${boards.join(", ")} (${code}).`, { code, boards }));
    return true;
  }

  /** @param {FollowError} error */
  function complain(error) {
    const { status, code, retryAfter, boards } = error;
    events.tell({ type: "error", error, status, code, retryAfter, boards });
  }

  /** @param {FollowError} [error] */
  function end(error) {
    line.close();
    screen.close();
    store.end(error);
    if (signal) signal.removeEventListener("abort", close);
    if (error) complain(error);
  }

  const close = () => end();

  if (signal && signal.aborted) close();
  else if (signal) signal.addEventListener("abort", close);
  Promise.resolve().then(line.open); // only once the caller has what a callback may want to close

  return {
    get value() {
      return store.positionOf(store.ids()[0]);
    },
    get values() {
      return store.values();
    },
    get state() {
      return store.stateOf(store.ids()[0]);
    },
    get via() {
      return line.via();
    },
    get retry() {
      return line.retry();
    },
    get heardAt() {
      return heardAt;
    },
    subscribe: store.subscribe,
    addEventListener(type, listener) {
      events.add(type, listener);
      if (type === "own") line.wantOwn();
    },
    removeEventListener: events.remove,
    turnTo(next) {
      store.turnTo(unique(next));
      line.turnTo();
    },
    close,
    [Symbol.asyncIterator]: store.iterate,
  };
}

/** @param {string | string[]} boards */
const unique = (boards) => [...new Set(typeof boards === "string" ? [boards] : boards)];

export { FollowError, follow };
