/** Follows a service that runs, in whatever runtime this is, and says what it sees: `live.mjs URL TOKEN`. */

import { follow } from "scoreboard-client";

const [url, token] = (globalThis.Deno ? Deno.args : process.argv.slice(2));
const seen = {};
for (const [who, options] of [["spectator", {}], ["player", { token }], ["stranger", { token: "wrong" }]]) {
  const board = follow(url, options);
  board.addEventListener("error", () => {
    throw new Error("it goes on"); // as if the handler were wrong
  });
  try {
    for await (const { payload } of board) {
      seen[who] = [board.state, board.via, Array.isArray(payload)];
      board.close();
    }
  } catch (error) {
    seen[who] = [board.state, error.status, error.code];
  }
}
console.log(JSON.stringify(seen));
