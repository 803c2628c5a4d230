// A round of play by openapi-fetch, with the types that openapi-typescript has generated: `node play.js URL USERNAME`.

import createClient from "openapi-fetch";
import type { paths } from "./api.js";

const [baseUrl = "", username = ""] = process.argv.slice(2);
const password = "a password of this round";

/** Returns what a call has answered, or ends with the problem. */
function told<T>({ data, error }: { data?: T; error?: { code: string; detail: string } }): T {
  if (data === undefined) throw new Error(`${error?.code}: ${error?.detail}`);
  return data;
}

const visitor = createClient<paths>({ baseUrl });
told(await visitor.POST("/auth/register", { body: { username, password } }));
const again = await visitor.POST("/auth/register", { body: { username, password } });
if (again.error?.code !== "already-taken") throw new Error("the name is taken");
const { accessToken, userId } = told(await visitor.POST("/auth/login", { body: { username, password } }));

const player = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${accessToken}` } });
const { actionId, metadata } = told(
  await player.POST("/users/{userId}/actions", {
    params: { path: { userId } },
    body: { status: "started", metadata: { level: 3, by: ["left"] } },
  }),
);
if (JSON.stringify(metadata) !== '{"by":["left"],"level":3}') throw new Error(JSON.stringify(metadata));
const ended = told(
  await player.PUT("/users/{userId}/actions/{actionId}", {
    params: { path: { userId, actionId } },
    body: { status: "completed" },
  }),
);
const board = told(await player.GET("/top-scores"));
const places: number[] = board.map(({ rank }) => rank);
console.log(ended.awardedPoints, ended.totalScore, places.length);
