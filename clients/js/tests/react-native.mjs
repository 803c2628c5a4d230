/** React Native: a URL that can't be changed, a WebSocket and a fetch that take text, answers that come whole. */

import assert from "node:assert/strict";

import { FakeSocket, settled, update } from "./fakes.mjs";

const asked = [];
globalThis.URL = class {
  constructor(text) {
    Object.defineProperty(this, "protocol", { get: () => "https:" });
    this.text = text;
  }
  toString = () => `${this.text}/`; // it does append one
};
delete Response.prototype.body;
delete globalThis.ReadableStream;
delete globalThis.EventTarget;
delete globalThis.TextDecoder;
globalThis.fetch = async (address) => {
  asked.push(address);
  const headers = new Map([["ETag", '"e-1"']]);
  return { ok: true, status: 200, headers: { get: (name) => headers.get(name) || null }, json: async () => [] };
};
globalThis.WebSocket = FakeSocket;
const { follow } = await import("scoreboard-client");

// A player is live by the socket.
{
  const board = follow(new URL("https://scores.example/board"), { token: "t" });
  await settled();
  const [socket] = FakeSocket.all;
  assert.equal(socket.address, "wss://scores.example/board/ws?state=1");
  await socket.open().say(update(1));
  assert.equal(board.state, "live");
  board.close();
}

// A spectator asks for the board at once.
{
  const board = follow("https://scores.example");
  await settled();
  assert.deepEqual([board.value.version, board.via, asked], [1, "poll", ["https://scores.example/top-scores"]]);
  board.close();
}
