/** follow(), as it is packed, against a service that the test plays. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { follow } from "scoreboard-client";

import { fakeFetch, FakeSocket, fakeStream, heartbeat, noted, pass, problem, settled, tokenFor, top, update, URL_ } from "./fakes.mjs";

const nothing = fakeFetch(() => Promise.reject(new TypeError("fetch failed")));
const opened = [];

beforeEach(() => {
  FakeSocket.all = [];
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.parse("2026-11-28T12:00:00Z") });
  mock.method(Math, "random", () => 0.5);
});

afterEach(() => {
  opened.splice(0).forEach((it) => it.close());
  mock.timers.reset();
  mock.restoreAll();
});

async function started(options) {
  const following = follow(URL_, { WebSocket: FakeSocket, fetch: nothing, ...options });
  opened.push(following);
  const notes = noted(following);
  await settled();
  return { following, ...notes };
}

const socket = () => FakeSocket.all[FakeSocket.all.length - 1];

/** Return a fetch whose streams are those of a list, one after the other. */
const streaming = (...streams) => fakeFetch((path) => (path.includes("stream") && streams.length ? streams.shift().response : problem(404, "not-found")));

test("a spectator is live by the stream, without a socket", async () => {
  const stream = fakeStream();
  const fetch = streaming(stream);
  const { following, told } = await started({ fetch });
  assert.deepEqual(told, [[null, "connecting"]]);
  await stream.say(update(1));
  await stream.say(heartbeat(1));
  await stream.say(update(2));
  await stream.say(update(2));
  assert.deepEqual(told, [[null, "connecting"], [1, "live"], [2, "live"]]);
  assert.deepEqual([following.value.version, following.via, FakeSocket.all.length], [2, "stream", 0]);
  assert.equal(fetch.asked[0].path, "/top-scores/stream");
  assert.equal(fetch.asked[0].headers.Authorization, undefined);
});

test("a stream that ends is taken up where it was", async () => {
  const [first, second] = [fakeStream(), fakeStream()];
  const fetch = streaming(first, second);
  const { following, told } = await started({ fetch, board: "weekly & co" });
  const board = "weekly & co";
  await first.say(update(7, { board }));
  await first.write('event: end\ndata: {"code": 1012, "reason": "stopping"}\n\n');
  await first.close();
  assert.deepEqual([following.state, following.via, following.retry.attempt], ["reconnecting", null, 1]);
  await pass(500);
  assert.equal(fetch.asked[1].path, "/top-scores/stream?board=weekly%20%26%20co");
  assert.equal(fetch.asked[1].headers["Last-Event-ID"], update(7).epoch + "-7");
  await second.say(heartbeat(7, { board }));
  assert.deepEqual(told, [[null, "connecting"], [7, "live"], [7, "reconnecting"], [7, "live"]]);
  assert.equal(following.retry, null);
});

test("events are read however they are cut and ended", async () => {
  const stream = fakeStream();
  const { told } = await started({ fetch: streaming(stream) });
  const text = `: hello\r\nid: x\r\ndata: ${JSON.stringify(update(1, { payload: [{ username: "é€𝄞" }] }))}\r\n\r\ndata:${JSON.stringify(update(2))}\n\n`;
  for (const byte of new TextEncoder().encode(text)) await stream.write(new Uint8Array([byte]));
  assert.deepEqual(told.at(-1), [2, "live"]);
});

test("a token opens a socket, whose address is text", async () => {
  const { following, told } = await started({ token: "abc", board: "daily" });
  assert.equal(socket().address, "wss://scores.example/below/ws?board=daily&state=1");
  assert.deepEqual(socket().protocols, ["scoreboard.v1", "bearer.abc"]);
  await socket().open().say(update(1, { board: "daily" }));
  assert.deepEqual([told.at(-1), following.via], [[1, "live"], "socket"]);
});

test("a refused handshake is told, and a token that stays wrong is no loop", async () => {
  const fetch = fakeFetch(() => problem(401, "unauthorized"));
  const asked = [];
  const { following, errors } = await started({ fetch, token: (refused) => (asked.push(refused), "wrong") });
  await socket().end();
  for (let second = 0; second < 30; second++) await pass(1_000);
  assert.equal(following.state, "ended");
  assert.deepEqual(errors.map(({ status, code }) => [status, code]), [[401, "unauthorized"]]);
  assert.deepEqual([FakeSocket.all.length, fetch.asked.length, asked], [1, 1, [undefined, undefined, "wrong"]]);
  assert.equal(fetch.asked[0].headers.Authorization, "Bearer wrong");
});

test("a token that is over is asked for again, and the next one goes on", async () => {
  const tokens = ["first", "second"];
  const { following, codes } = await started({ token: (refused) => (refused ? tokens[1] : tokens[0]) });
  await socket().open().say(update(1));
  await socket().end(4401);
  await pass(500);
  assert.equal(socket().protocols[1], "bearer.second");
  await socket().open().say(update(1));
  await socket().say(heartbeat(1));
  assert.deepEqual([following.state, codes()], ["live", []]);
});

test("who is suspended is told so, and left alone", async () => {
  const { following, errors } = await started({ token: "t" });
  await socket().open().say(update(1));
  await socket().end(4403);
  assert.deepEqual([following.state, errors[0].status, errors[0].code], ["ended", 4403, "user-suspended"]);
  await pass(60_000);
  assert.equal(FakeSocket.all.length, 1);
});

test("too many connections: told with Retry-After, asked for meanwhile, tried again after it", async () => {
  let full = true;
  const stream = fakeStream();
  const fetch = fakeFetch((path) => {
    if (!path.includes("stream")) return top(3);
    return full ? problem(429, "too-many-connections", { "Retry-After": "30" }) : stream.response;
  });
  const { following, errors, told } = await started({ fetch });
  assert.deepEqual(errors.map(({ status, code, retryAfter }) => [status, code, retryAfter]), [[429, "too-many-connections", 30]]);
  assert.deepEqual([told.at(-1), following.via], [[3, "live"], "poll"]);
  const streams = () => fetch.asked.filter(({ path }) => path.includes("stream")).length;
  for (let second = 0; second < 28; second++) await pass(1_000);
  assert.equal(streams(), 1);
  full = false;
  for (let second = 0; second < 5; second++) await pass(1_000);
  await stream.say(update(3));
  assert.deepEqual([streams(), following.via, following.state], [2, "stream", "live"]);
});

test("a network without sockets is gone through by the stream, with the token, and sockets are tried now and then", async () => {
  const stream = fakeStream();
  const fetch = streaming(stream);
  const { following } = await started({ fetch, token: "t" });
  await socket().end();
  await pass(500);
  await stream.say(update(1));
  assert.deepEqual([following.via, fetch.asked[0].headers.Authorization], ["stream", "Bearer t"]);
  await pass(3_000);
  assert.equal(FakeSocket.all.length, 2);
  await socket().end();
  assert.deepEqual([following.via, following.state], ["stream", "live"]);
  await pass(6_000);
  await socket().open().say(update(2));
  assert.deepEqual([following.via, following.value.version], ["socket", 1]); // until it is known not to be paused
  await socket().say(heartbeat(2));
  assert.equal(following.value.version, 2);
});

test("polling sends the version that is known, and tells of freezes and pauses", async () => {
  const answers = [top(1), new Response(null, { status: 304 }), top(2, { "Board-Frozen": "2026-11-28T11:00:00Z", "Board-Revealed": "3/10" }), top(3, { Broadcasting: "false" }), top(3)];
  const fetch = fakeFetch((path) => (path.includes("stream") ? problem(404, "not-found") : answers.shift()));
  const { following, told } = await started({ fetch });
  for (let poll = 0; poll < 4; poll++) await pass(5_000);
  const asked = fetch.asked.filter(({ path }) => !path.includes("stream"));
  assert.deepEqual([asked[0].headers["If-None-Match"], asked[1].headers["If-None-Match"]], [undefined, `"${update(1).epoch}-1"`]);
  const { frozen, revealed, places } = following.values["all-time"];
  assert.deepEqual([frozen, revealed, places], [undefined, undefined, undefined]);
  assert.deepEqual(told, [[null, "connecting"], [1, "live"], [2, "frozen"], [2, "paused"], [3, "live"]]);
});

test("there is no such board: told, and the end", async () => {
  const { following, errors } = await started({ fetch: fakeFetch(() => problem(404, "not-found")), board: "nowhere" });
  assert.deepEqual([following.state, errors.at(-1).status, errors.at(-1).code], ["ended", 404, "not-found"]);
});

test("what the operator has paused is held back, on the line and after another", async () => {
  const { following, told } = await started({ token: "t" });
  await socket().open().say(update(1));
  await socket().say(heartbeat(1, { broadcasting: false }));
  assert.deepEqual(told.at(-1), [1, "paused"]);
  await socket().end();
  await pass(500); // no stream either
  await pass(1_000);
  await pass(2_000);
  await socket().open().say(update(5));
  await socket().say(heartbeat(5, { broadcasting: false }));
  await pass(10_000);
  assert.deepEqual([told.at(-1), following.via], [[1, "paused"], "socket"]);
  await socket().say(heartbeat(5));
  assert.deepEqual(told.at(-1), [5, "live"]);
});

test("an older service that says nothing more of it is believed", async () => {
  const { told } = await started({ token: "t" });
  await socket().open().say(update(1));
  await socket().end(1012);
  await pass(500);
  await socket().open().say(update(2));
  assert.deepEqual(told.at(-1), [1, "live"]);
  await pass(2_000);
  assert.deepEqual(told.at(-1), [2, "live"]);
});

test("a freeze is a state, by updates and by heartbeats", async () => {
  const { told } = await started({ token: "t" });
  await socket().open().say(update(1));
  await socket().say(update(2, { frozen: true, frozenSince: "2026-11-28T12:00:00Z" }));
  await socket().say(heartbeat(2, { frozen: true }));
  await socket().say(update(3));
  assert.deepEqual(told, [[null, "connecting"], [1, "live"], [2, "frozen"], [3, "live"]]);
});

test("a mistake in a callback ends nothing: it is an error event, or the platform's", async () => {
  const said = mock.method(console, "error", () => {});
  const following = follow(URL_, { token: "t", WebSocket: FakeSocket, fetch: nothing });
  opened.push(following);
  const versions = [];
  following.subscribe((board) => {
    throw new Error(`no ${board && board.version}`);
  });
  following.subscribe((board) => board && versions.push(board.version));
  await settled();
  await socket().open().say(update(1));
  assert.deepEqual(said.mock.calls.map(({ arguments: [error] }) => error.message), ["no null", "no 1"]);
  const { errors } = noted(following);
  await socket().say(update(2));
  assert.deepEqual(errors.map(({ code, error }) => [code, error.message]), [["callback", "no 2"]]);
  following.addEventListener("error", () => {
    throw new Error("even here");
  });
  await socket().say(update(3));
  assert.equal(said.mock.calls.at(-1).arguments[0].message, "even here");
  assert.deepEqual([versions, following.state], [[1, 2, 3], "live"]);
});

test("a callback may close what isn't opened yet", async () => {
  const following = follow(URL_, { token: "t", WebSocket: FakeSocket, fetch: nothing });
  following.subscribe(() => following.close());
  await settled();
  assert.deepEqual([FakeSocket.all.length, following.state], [0, "ended"]);
});

test("a token that is none yet makes a spectator, and is no end", async () => {
  const stream = fakeStream();
  const { following } = await started({ fetch: streaming(stream), token: async () => null });
  await stream.say(update(1));
  assert.deepEqual([following.state, following.via, FakeSocket.all.length], ["live", "stream", 0]);
});

test("a token that can't be had is told, and asked for again", async () => {
  let times = 0;
  const { codes } = await started({
    token() {
      if (++times === 1) throw new Error("no session");
      return "t";
    },
  });
  assert.deepEqual(codes(), ["token"]);
  await pass(500);
  assert.equal(FakeSocket.all.length, 1);
});

test("a younger token takes over before the first is over, without a gap", async () => {
  let name = "old";
  const { told } = await started({ token: () => tokenFor(60, name) });
  const [first] = FakeSocket.all;
  await first.open().say(update(1));
  name = "young";
  await pass(51_000);
  await first.say(heartbeat(1));
  assert.equal(FakeSocket.all.length, 2);
  assert.equal(first.closed, undefined);
  await socket().open().say(update(1));
  await first.say(update(9)); // it is closed: nobody listens
  assert.deepEqual([first.closed, told], [true, [[null, "connecting"], [1, "live"]]]);
});

test("own numbers are told to who asks for them, later too", async () => {
  const { following } = await started({ token: "t" });
  await socket().open().say(update(1));
  const own = [];
  following.addEventListener("own", ({ detail }) => own.push(detail.score));
  await settled();
  assert.match(socket().address, /[?&]me=1/);
  await socket().open().say(update(1));
  await socket().say({ type: "own_scores", board: "all-time", userId: "u", totalScore: 5, score: 5, rank: null });
  assert.deepEqual([own, FakeSocket.all.length, FakeSocket.all[0].closed], [[5], 2, true]);
});

test("several boards come over one socket, and others in their place", async () => {
  const { following, errors } = await started({ token: "t", boards: ["daily", "weekly", "nowhere"] });
  const told = [];
  following.subscribe((board, state) => told.push([board && board.board, state]));
  await socket().open().say(update(1, { board: "daily" }));
  assert.deepEqual(socket().sent, [{ subscribe: ["weekly", "nowhere"] }]);
  await socket().say({ type: "refused", boards: ["nowhere"], code: "not-found" });
  assert.deepEqual([errors[0].code, errors[0].boards], ["not-found", ["nowhere"]]);
  await socket().say(update(1, { board: "weekly", frozen: true }));
  assert.deepEqual(told, [[null, "connecting"], ["daily", "live"], ["weekly", "frozen"]]);
  assert.deepEqual(Object.keys(following.values), ["daily", "weekly"]);
  following.turnTo("all-time");
  assert.deepEqual(socket().sent.slice(1), [{ unsubscribe: ["daily", "weekly", "nowhere"] }, { subscribe: ["all-time"] }]);
  assert.equal(following.value, null);
  await socket().say(update(2, { board: "daily" })); // it was on its way
  await socket().say(update(4));
  assert.equal(following.value.version, 4);
});

test("a heartbeat that is ahead, and silence, are a lost line", async () => {
  const { following } = await started({ token: "t" });
  await socket().open().say(update(1));
  await socket().say(heartbeat(2));
  assert.equal(following.state, "reconnecting");
  await pass(500);
  await socket().open().say(update(2));
  await socket().say(heartbeat(2));
  await pass(59_000);
  assert.equal(following.state, "live");
  await pass(2_000);
  assert.notEqual(following.state, "live");
});

test("what is no message is dropped and told", async () => {
  const { codes, following } = await started({ token: "t" });
  await socket().open().say("{");
  await socket().say({ type: "top_scores_update" });
  await socket().say(update(1));
  assert.deepEqual([codes(), following.value.version], [["unreadable", "unreadable"], 1]);
});

test("for await gives the newest, ends with close(), and throws what refused it", async () => {
  const { following } = await started({ token: "t" });
  const seen = [];
  const loop = (async () => {
    for await (const board of following) seen.push(board.version);
  })();
  await settled();
  await socket().open().say(update(1));
  socket().say(update(2));
  await socket().say(update(3));
  assert.equal(seen[0], 1);
  assert.equal(seen.at(-1), 3);
  following.close();
  await loop;
  assert.deepEqual([following.state, following.via], ["ended", null]);

  const other = await started({ token: "t" });
  const refused = assert.rejects(async () => {
    for await (const board of other.following) seen.push(board);
  }, { name: "FollowError", code: "user-suspended", status: 4403 });
  await settled();
  await socket().end(4403);
  await refused;
});

test("a signal closes it, also before it is opened", async () => {
  const controller = new AbortController();
  const { following } = await started({ token: "t", signal: controller.signal });
  await socket().open().say(update(1));
  controller.abort();
  assert.deepEqual([following.state, socket().closed], ["ended", true]);
  const late = await started({ token: "t", signal: controller.signal });
  assert.deepEqual([late.following.state, FakeSocket.all.length], ["ended", 1]);
});

test("subscribers are told at once, and no longer once they have left", async () => {
  const { following } = await started({ token: "t" });
  await socket().open().say(update(1));
  const told = [];
  const { subscribe } = following; // as React does
  const leave = subscribe((board, state) => told.push([board.version, state]));
  assert.deepEqual(told, [[1, "live"]]);
  assert.equal(following.value, following.value);
  leave();
  await socket().say(update(2));
  assert.equal(told.length, 1);
});
