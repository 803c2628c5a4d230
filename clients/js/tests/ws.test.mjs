/** With `ws` a connection that is refused, or fails, ends no process. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

import { follow } from "scoreboard-client";
import WebSocket, { WebSocketServer } from "ws";

import { update } from "./fakes.mjs";

const until = (following, wanted) =>
  new Promise((resolve) => {
    const leave = following.subscribe((board, state) => wanted(board, state) && setImmediate(() => resolve(leave())));
  });

test("nobody listens: it is reconnecting", async () => {
  const server = createServer();
  const port = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  const board = follow(`http://127.0.0.1:${port}`, { token: "t", WebSocket });
  await until(board, (_, state) => state === "reconnecting");
  board.close();
});

test("the handshake is refused: it ends with the status, and a good one is live", async () => {
  const server = createServer((_, response) => response.writeHead(401, { "Content-Type": "application/json" }).end('{"code": "unauthorized"}'));
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "scoreboard.v1" });
  server.on("upgrade", (request, socket, head) => {
    if (!request.headers["sec-websocket-protocol"].includes("bearer.good")) return socket.end("HTTP/1.1 401 Unauthorized\r\n\r\n");
    sockets.handleUpgrade(request, socket, head, (opened) => opened.send(JSON.stringify(update(1))));
  });
  const url = `http://127.0.0.1:${await listening(server)}`;
  const good = follow(url, { token: "good", WebSocket });
  await until(good, (board, state) => board && state === "live");
  assert.equal(good.via, "socket");
  good.close();
  const bad = follow(url, { token: "bad", WebSocket });
  await assert.rejects(async () => {
    for await (const board of bad) assert.fail(board);
  }, { status: 401, code: "unauthorized" });
  sockets.clients.forEach((it) => it.terminate());
  server.closeAllConnections();
  server.close();
});

function listening(server) {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));
}
