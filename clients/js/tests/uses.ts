// What the types have to allow, and what they have to refuse: checked by tsc, strictly, without the DOM's types.

import WebSocket from "ws";
import { follow, FollowError, type Board, type Following, type State } from "scoreboard-client";

let session: { accessToken: string } | undefined;
const signal = new AbortController().signal;
const board: Following = follow("https://scores.example", { board: "weekly", token: () => session?.accessToken, signal, WebSocket });
follow(new URL("https://scores.example"));
follow("https://scores.example", { boards: ["daily"], token: null, keys: true });
follow("https://scores.example", { keys: { keys: [{ kid: "1", kty: "OKP", crv: "Ed25519", x: "abc" }] }, fetch });
follow("https://scores.example", { token: async (refused) => (refused ? null : "token") });

const shown: Board | null = board.value;
const state: State = board.state;
const leave: () => void = board.subscribe((value, now) => console.log(value?.payload[0]?.displayName, now === "paused", shown, state));
board.addEventListener("error", ({ error, status, code, retryAfter }) => console.log(error.message, status, code.length, retryAfter));
board.addEventListener("own", ({ detail }) => console.log(detail.totalScore, detail.rank ?? "none"));
for await (const { payload, frozen } of board) console.log(payload.length, frozen === true);
if (board.retry) console.log(board.retry.attempt, new Date(board.retry.at));
console.log(board.via === "socket", board.heardAt, board.values.weekly, new FollowError("no", { code: "x" }).retryAfter);
leave();
board.turnTo(["daily"]);

// @ts-expect-error it is read, not written
board.state = "live";
// @ts-expect-error there is no such state
if (board.state === "closed") board.close();
// @ts-expect-error nor such an event
board.addEventListener("message", () => {});
// @ts-expect-error a number is no token
follow("https://scores.example", { token: 5 });
