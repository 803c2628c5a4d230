/** Keeps a line to the service open: connects again, goes on with younger tokens, and changes to better ways. */

import { FollowError } from "./errors.js";
import { backoff, FIRST_ASCENT_MS, LONGEST_ASCENT_MS, OPEN_TIMEOUT_MS, renewalDelay, SILENCE_MS } from "./timing.js";
import { openLine, waysOf } from "./ways.js";

const TOKEN_REFUSED = 4401;
const SUSPENDED = 4403;

/** @typedef {import("./ways.js").Line} Line @typedef {ReturnType<typeof setTimeout> | undefined} Timer */

/**
 * Make a line, which isn't open yet.
 * @param {import("./ways.js").Needs} needs
 */
export function lineOf(needs) {
  const { token, boards, onError, onMessage, onLoss, onEnd } = needs;
  /** @type {Line | null} */ let current = null;
  /** @type {Line | null} */ let successor = null; // takes over as soon as it speaks
  /** @type {{bearer: string | null, error: FollowError} | null} */ let refused = null;
  /** @type {import("./types.js").Retry | null} */ let retry = null;
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

  /** @param {Line} line @param {import("./ways.js").Ending} ending */
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

  /** Open a line that takes over from the present one. @param {import("./types.js").Way} way @param {string | null} bearer */
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
