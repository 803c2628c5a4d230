/**
 * Live boards over one WebSocket, in any browser of the last five years. It has no dependencies: copy it, or import it
 * from the service into a page of the same host.
 *
 *     import { connect } from "/scoreboard.js";
 *     const live = connect({
 *       url: "wss://scores.example/ws",
 *       token: () => session.accessToken,
 *       onBoard: ({ payload }) => draw(payload),
 *       onState: (state) => console.log(state),
 *     });
 *     live.close();
 *
 * It follows the board `all-time`, or those that `board` or `boards` name; `live.subscribe(["weekly"])` and
 * `live.unsubscribe(["weekly"])` change which. A board that begins anew each day, week or month tells its `period`;
 * once that is over, the next one comes by itself.
 *
 * A connection lives as long as the token it was opened with. Before that is over, `token` is asked for a younger one, and
 * a second connection takes over from the first. Where that fails, the server ends the first one (4401), and the token is
 * asked for again.
 *
 * With `keys`, only messages that the service has signed with one of its Ed25519 keys count. An HMAC can't be verified
 * here: whoever could verify it could forge it as well. Node below 22 has no WebSocket: give it one (`WebSocket`).
 */

const PROTOCOL = "scoreboard.v1";
const DEFAULT_BOARD = "all-time";
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 20_000;
const OPEN_TIMEOUT_MS = 10_000;
const SILENCE_MS = 60_000; // more than two heartbeats
const KEYS_TIMEOUT_MS = 5_000;
const KEYS_EVERY_MS = 10_000; // besides once a connection
const RENEW_AFTER = 5 / 6; // of what is left of a token's life
const SOONEST_RENEWAL_MS = 1_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const OPEN = 1; // of a WebSocket's `readyState`
const LONGEST_QUEUE = 64; // messages that wait for their signature to be verified

export const TOKEN_REFUSED = 4401;
export const SUSPENDED = 4403;

/**
 * @typedef {{userId: string, username: string, score: number, rank: number, displayName?: string}} Entry
 * @typedef {{epoch: string, version: number}} Position
 * @typedef {Position & {board: string, payload: Entry[], timestamp: string, period?: string, frozen?: true,
 *   frozenSince?: string, revealed?: number, places?: number}} Board `frozen`: these rows stay as they are until it is
 *   thawed; while `places` are revealed, they are the last `revealed` of these
 * @typedef {{board: string, userId: string, totalScore: number, score: number, rank: number | null, timestamp: string,
 *   period?: string}} Own one's own numbers of one moment: all points, and what of them stands on the board
 * @typedef {"connecting" | "live" | "reconnecting" | "rejected" | "refused" | "closed"} State
 *   `rejected` tells of a message that was dropped, `refused` of boards that can't be followed; neither changes
 *   anything else.
 *   `closed` is final: the token was refused, or its user suspended.
 * @typedef {"unreadable" | "unsigned" | "unknown-key" | "wrong-signature"} Reason
 * @typedef {{keys: JsonWebKey[]}} JWKS
 * @typedef {object} StateInfo
 * @property {number} [attempt] consecutive failures so far
 * @property {number} [delayMs] time until the next attempt
 * @property {number} [code] the WebSocket's close code
 * @property {Reason} [reason] why a message was rejected
 * @property {string[]} [boards] what was refused
 * @property {string} [refusal] why: `not-found` or `too-many-boards`
 */

/**
 * Tells whether `next` replaces `seen`: a greater version, or any version of another epoch.
 * @param {Position | null} seen
 * @param {Position} next
 * @returns {boolean}
 */
export function isNewer(seen, next) {
  return seen === null || next.epoch !== seen.epoch || next.version > seen.version;
}

/**
 * Picks the time before an attempt: full jitter, so that a restarted server isn't met by all clients at once.
 * @param {number} attempt counted from 1
 * @returns {number} milliseconds
 */
export function backoff(attempt) {
  return Math.random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
}

/**
 * Writes a JSON value in its canonical form (RFC 8785): the one that signatures are over.
 * @param {unknown} value
 * @returns {string}
 */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)); // by UTF-16 units, as the RFC has it
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}

/**
 * Keeps boards up to date until `close()`, or until the server refuses the token for good.
 * @param {object} options
 * @param {string | URL} options.url address of the WebSocket; http(s) and relative ones are understood
 * @param {string | (() => string | null | Promise<string | null>)} options.token asked before each
 *   attempt, and before the token at hand is over
 * @param {string} [options.board] the board to follow, by its id
 * @param {string[]} [options.boards] the boards to follow, in place of `board`
 * @param {(board: Board) => void} options.onBoard called with each newer version of each board, the present one first
 * @param {(own: Own) => void} [options.onOwn] called with one's own numbers on each board, at first and whenever they
 *   have changed
 * @param {(state: State, info: StateInfo) => void} [options.onState] not called for `close()`
 * @param {string | URL | JWKS} [options.keys] the keys to verify messages with, or where they are
 *   (`/.well-known/jwks.json`): there they are asked for again when a message names an unknown one
 * @param {typeof WebSocket} [options.WebSocket] the implementation, where the platform has none
 * @returns {{close: () => void, subscribe: (boards: string[]) => void, unsubscribe: (boards: string[]) => void}}
 *   a board that is followed again is told again
 */
export function connect({
  url,
  token,
  board,
  boards,
  onBoard,
  onOwn,
  onState = () => {},
  keys,
  WebSocket = globalThis.WebSocket,
}) {
  if (!WebSocket) throw new TypeError("There is no WebSocket here: give one as the option `WebSocket`.");
  const [base, named] = withoutBoard(absolute(url).replace(/^http/i, "ws"));
  /** The boards to follow, each with the position of what was shown of it. @type {Map<string, Position | null>} */
  const followed = new Map((boards ?? [board ?? named ?? DEFAULT_BOARD]).map((id) => [id, null]));
  [onBoard, onOwn, onState] = [onBoard, onOwn, onState].map((callback) => callback && guarded(callback));
  const verifier = keys ? verifierWith(keys) : null;

  let turn = 0; // whatever an earlier turn still reports is ignored
  let attempt = 0;
  let waiting = false;
  let live = false;
  let lastHeard = 0;
  /** @type {WebSocket | null} */ let socket = null;
  /** @type {WebSocket | null} */ let successor = null;
  /** @type {string | null} */ let refused = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let renewal;

  async function open() {
    const mine = nextTurn();
    timer = setTimeout(retry, OPEN_TIMEOUT_MS);
    onState("connecting", { attempt });
    let bearer;
    try {
      bearer = typeof token === "function" ? await token() : token;
    } catch {
      if (mine === turn) retry();
      return;
    }
    if (mine !== turn) return;
    if (!bearer || bearer === refused) return end(TOKEN_REFUSED);

    verifier?.allowFetch();
    socket = dial(bearer);
    listen(socket, bearer, mine);
    planRenewal(bearer, mine);
  }

  /** @param {string} bearer */
  function dial(bearer) {
    const [first = DEFAULT_BOARD] = followed.keys();
    const query = [first !== DEFAULT_BOARD && `board=${encodeURIComponent(first)}`, onOwn && "me=1"].filter(Boolean);
    const separator = base.includes("?") ? "&" : "?";
    const made = new WebSocket(query.length ? base + separator + query.join("&") : base, [PROTOCOL, `bearer.${bearer}`]);
    made.onerror = () => {}; // `ws` ends a Node process for an error that nobody hears; onclose follows anyway
    made.onopen = () => {
      // What is followed by now, in place of the one that it was opened for, or beside it.
      if (!followed.has(first)) ask(made, "unsubscribe", [first]);
      ask(
        made,
        "subscribe",
        [...followed.keys()].filter((id) => id !== first),
      );
    };
    return made;
  }

  /** @param {WebSocket | null} socket @param {"subscribe" | "unsubscribe"} what @param {string[]} ids */
  function ask(socket, what, ids) {
    if (ids.length && socket?.readyState === OPEN) socket.send(JSON.stringify({ [what]: ids }));
  }

  /** @param {string[]} ids */
  function subscribe(ids) {
    const added = ids.filter((id) => !followed.has(id));
    for (const id of added) followed.set(id, null);
    for (const it of [socket, successor]) ask(it, "subscribe", added);
    if (live) listenForSilence();
  }

  /** @param {string[]} ids */
  function unsubscribe(ids) {
    const gone = ids.filter((id) => followed.delete(id));
    for (const it of [socket, successor]) ask(it, "unsubscribe", gone);
  }

  /** Takes what a socket says for as long as the turn is its own. */
  function listen(socket, bearer, mine) {
    const queue = [];
    let busy = false;
    socket.onmessage = async ({ data }) => {
      queue.push(data);
      if (queue.length > LONGEST_QUEUE) queue.shift(); // a newer board stands behind it
      if (busy) return;
      busy = true;
      try {
        while (queue.length && mine === turn) await take(queue.shift(), mine);
      } finally {
        busy = false;
      }
    };
    socket.onclose = ({ code }) => {
      if (mine !== turn) return;
      if (code === SUSPENDED) return end(code);
      if (code === TOKEN_REFUSED) refused = bearer; // token() may have a younger one
      retry(code);
    };
  }

  /** @param {string} bearer @param {number} mine */
  function planRenewal(bearer, mine) {
    clearTimeout(renewal);
    const delay = typeof token === "function" ? renewalDelay(bearer) : null;
    if (delay !== null) renewal = setTimeout(renew, delay, bearer, mine);
  }

  /** Opens a second socket with a younger token, and lets go of the first one once the second one speaks. */
  async function renew(bearer, mine) {
    let younger = null;
    try {
      younger = await token();
    } catch {} // asked again later
    if (mine !== turn) return;
    if (!younger || younger === bearer) return planRenewal(bearer, mine);
    const next = (successor = dial(younger));
    next.onmessage = (event) => {
      if (mine !== turn) return;
      successor = null;
      const former = socket;
      socket = next;
      former.onmessage = former.onclose = null;
      former.close();
      listen(next, younger, mine);
      planRenewal(younger, mine);
      next.onmessage(event);
    };
    next.onclose = () => {
      if (mine === turn) planRenewal(bearer, mine); // the first one lives on for now
    };
  }

  /** @param {string} data @param {number} mine */
  async function take(data, mine) {
    const message = parse(data);
    const reason = message ? await verifier?.fault(message) : "unreadable";
    if (mine !== turn) return;
    if (reason) onState("rejected", { reason });
    else receive(message);
  }

  function receive(message) {
    lastHeard = Date.now();
    listenForSilence();
    if (message.type === "refused") {
      for (const id of message.boards) followed.delete(id);
      return onState("refused", { boards: message.boards, refusal: message.code });
    }
    const id = message.board ?? DEFAULT_BOARD;
    if (message.type === "top_scores_update") {
      // Only now is the connection worth something: a server that accepts and closes at once is backed off from.
      attempt = 0;
      if (!live) onState("live", {});
      live = true;
    }
    if (!followed.has(id)) return; // it was on its way when it was given up
    if (message.type === "own_scores") return onOwn?.(message);
    const newer = isNewer(followed.get(id), message);
    // A heartbeat that is ahead of us names a board that never arrived.
    if (message.type === "heartbeat" && newer) return retry();
    if (message.type !== "top_scores_update" || !newer) return;
    followed.set(id, { epoch: message.epoch, version: message.version });
    onBoard(message);
  }

  /** Begins to wait for a sign of life; where nothing is followed, none comes. */
  function listenForSilence() {
    clearTimeout(timer);
    timer = setTimeout(() => followed.size && retry(), SILENCE_MS);
  }

  /** @param {number} [code] */
  function retry(code) {
    nextTurn();
    attempt += 1;
    waiting = true;
    const delayMs = backoff(attempt);
    timer = setTimeout(open, delayMs);
    onState("reconnecting", { attempt, delayMs, code });
  }

  /** @param {number} code */
  function end(code) {
    close();
    onState("closed", { code });
  }

  function close() {
    nextTurn();
    globalThis.removeEventListener?.("online", wake);
    globalThis.removeEventListener?.("offline", lose);
    globalThis.document?.removeEventListener("visibilitychange", wake);
  }

  function nextTurn() {
    clearTimeout(timer);
    clearTimeout(renewal);
    waiting = live = false;
    // A dead network may hold the close event back for minutes, so nobody waits for it.
    socket?.close();
    successor?.close();
    socket = successor = null;
    return ++turn;
  }

  /** Looks at once after sleep, offline or a hidden tab, where timers are late. */
  function wake() {
    if (globalThis.document?.hidden) return;
    if (waiting) open();
    else if (socket?.readyState === OPEN && followed.size && Date.now() - lastHeard > SILENCE_MS) retry();
  }

  /** Gives a socket up with its network, which else would look alive until its silence is noticed. */
  function lose() {
    if (!waiting) retry();
  }

  globalThis.addEventListener?.("online", wake);
  globalThis.addEventListener?.("offline", lose);
  globalThis.document?.addEventListener("visibilitychange", wake);
  queueMicrotask(() => turn === 0 && open()); // only once the caller has what `onState` may want to close
  return { close, subscribe, unsubscribe };
}

/**
 * Takes the name of a board out of an address.
 * @param {string} address
 * @returns {[string, string | undefined]}
 */
function withoutBoard(address) {
  const [path, query = ""] = address.split("?");
  const members = query.split("&").filter(Boolean);
  const named = members.filter((it) => it.startsWith("board=")).pop();
  const others = members.filter((it) => !it.startsWith("board="));
  const base = others.length ? `${path}?${others.join("&")}` : path;
  return [base, named && decodeURIComponent(named.slice("board=".length))];
}

/**
 * Completes an address as text: React Native's URL can't be changed, and its WebSocket takes nothing else.
 * @param {string | URL} url
 */
function absolute(url) {
  return /^\w+:/.test(String(url)) ? String(url) : new URL(url, globalThis.location?.href).href;
}

/** Lets a mistake in a callback be reported, and end nothing here. */
function guarded(callback) {
  return (...args) => {
    try {
      callback(...args);
    } catch (error) {
      if (globalThis.reportError) globalThis.reportError(error);
      else console.error(error);
    }
  };
}

/**
 * Tells when a token should be replaced. By our own clock: where that is wrong, the server's 4401 has the last word.
 * @param {string} bearer
 * @returns {number | null} milliseconds; null when it doesn't tell, or is over already
 */
function renewalDelay(bearer) {
  try {
    const { exp } = JSON.parse(atob(bearer.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    const left = exp * 1000 - Date.now();
    return left > 0 ? Math.min(Math.max(left * RENEW_AFTER, SOONEST_RENEWAL_MS), LONGEST_TIMER_MS) : null;
  } catch {
    return null; // no JWT
  }
}

/** @param {string} data */
function parse(data) {
  try {
    const message = JSON.parse(data);
    const positioned = typeof message?.epoch === "string" && Number.isInteger(message.version);
    return positioned || ["own_scores", "refused"].includes(message?.type) ? message : null;
  } catch {
    return null;
  }
}

/** @param {string | URL | JWKS} keys */
function verifierWith(keys) {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) throw new TypeError("Signatures can be verified by pages of https: or localhost only.");
  const source = typeof keys === "string" || keys instanceof URL ? new URL(keys, globalThis.location?.href) : null;
  /** @type {Map<string, CryptoKey> | null} */ let known = null;
  let fetchedAt = -Infinity;

  async function load() {
    let jwks = keys;
    if (source) {
      fetchedAt = Date.now();
      const timeout = new AbortController(); // AbortSignal.timeout is younger than many a TV
      const bell = setTimeout(() => timeout.abort(), KEYS_TIMEOUT_MS);
      try {
        jwks = await (await fetch(source, { cache: "no-cache", signal: timeout.signal })).json();
      } finally {
        clearTimeout(bell);
      }
    }
    const fresh = new Map();
    for (const { kid, kty, crv, x } of jwks.keys) {
      if (kty !== "OKP" || crv !== "Ed25519") continue;
      fresh.set(kid, await subtle.importKey("jwk", { kty, crv, x }, "Ed25519", false, ["verify"]));
    }
    known = fresh;
  }

  async function keyOf(id) {
    const mayLoad = source ? Math.abs(Date.now() - fetchedAt) >= KEYS_EVERY_MS : !known;
    if (!known?.has(id) && mayLoad) await load().catch(() => {}); // what was known stays so
    return known?.get(id);
  }

  /** @returns {Promise<Reason | undefined>} */
  async function fault({ signature, ...message }) {
    if (typeof signature?.value !== "string") return "unsigned";
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
