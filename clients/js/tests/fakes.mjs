/** A service that a test plays itself, with timers that it puts forward. */

import assert from "node:assert/strict";
import { mock } from "node:test";

export const EPOCH = "0190b5a0-0000-7000-8000-000000000000";
export const URL_ = "https://scores.example/below";

/** Takes text alone, like React Native's, and throws for an error that nobody hears, like `ws`. */
export class FakeSocket {
  /** @type {FakeSocket[]} */ static all = [];
  readyState = 0;
  sent = [];

  constructor(address, protocols) {
    if (typeof address !== "string") throw new TypeError("not text");
    [this.address, this.protocols] = [address, protocols];
    FakeSocket.all.push(this);
  }
  open() {
    this.readyState = 1;
    this.onopen();
    return this;
  }
  say(message) {
    if (this.onmessage) this.onmessage({ data: typeof message === "string" ? message : JSON.stringify(message) });
    return settled();
  }
  end(code = 1006) {
    if (code === 1006) this.onerror(new Error("ECONNREFUSED"));
    if (this.onclose) this.onclose({ code });
    return settled();
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.closed = true;
  }
}

/** Return a `fetch` that answers by `answer(path, init)`, and notes what was asked. */
export function fakeFetch(answer) {
  const asked = [];
  const fetch = async (address, init = {}) => {
    assert.equal(typeof address, "string");
    const path = address.replace(URL_, "");
    asked.push({ path, ...init });
    return answer(path, init, asked.length);
  };
  return Object.assign(fetch, { asked });
}

/** A stream that the test speaks by. */
export function fakeStream() {
  let controller;
  const body = new ReadableStream({ start: (it) => void (controller = it) });
  const write = (text) => {
    controller.enqueue(typeof text === "string" ? new TextEncoder().encode(text) : text);
    return settled();
  };
  return {
    response: new Response(body, { headers: { "Content-Type": "text/event-stream; charset=utf-8" } }),
    write,
    say: (message) => write(`id: ${message.epoch}-${message.version}\ndata: ${JSON.stringify(message)}\n\n`),
    close: () => (controller.close(), settled()),
  };
}

export const problem = (status, code, headers = {}) =>
  new Response(JSON.stringify({ status, code, detail: `It is ${code}.` }), {
    status,
    headers: { "Content-Type": "application/problem+json", ...headers },
  });

export const top = (version, headers = {}) =>
  new Response(JSON.stringify([row(version)]), {
    headers: { ETag: `"${EPOCH}-${version}"`, "Last-Modified": "Sat, 28 Nov 2026 12:00:00 GMT", ...headers },
  });

const row = (score) => ({ userId: EPOCH, username: "ada", score, rank: 1 });
const about = (board, version) => ({ board, epoch: EPOCH, version, timestamp: "2026-11-28T12:00:00.000Z" });

export const update = (version, { board = "all-time", ...more } = {}) => ({
  type: "top_scores_update",
  ...about(board, version),
  payload: [row(version)],
  ...more,
});

export const heartbeat = (version, { board = "all-time", broadcasting = true, ...more } = {}) => ({
  type: "heartbeat",
  ...about(board, version),
  broadcasting,
  ...more,
});

/** Return a token that is over in so many seconds. */
export function tokenFor(seconds, name = "t") {
  const claims = Buffer.from(JSON.stringify({ exp: Date.now() / 1000 + seconds, name })).toString("base64url");
  return `e30.${claims}.x`;
}

/** Let everything happen that is not waiting for a timer. */
export async function settled() {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

export async function pass(ms) {
  mock.timers.tick(ms);
  await settled();
}

/** Note what a subscriber is told, as [version, state]. */
export function noted(following) {
  const told = [];
  const errors = [];
  following.addEventListener("error", (event) => errors.push(event));
  following.subscribe((board, state) => told.push([board && board.version, state]));
  return { told, errors, codes: () => errors.map(({ code }) => code) };
}
