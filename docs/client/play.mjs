// Plays one action, then shows the board whenever it changes. Node 20 or newer; there is nothing to install.
// SCOREBOARD_URL, SCOREBOARD_USER and SCOREBOARD_PASSWORD say where, and who.

const {
  SCOREBOARD_URL: service = "http://localhost:8000",
  SCOREBOARD_USER: username = "alice",
  SCOREBOARD_PASSWORD: password = "demo-password",
} = process.env;
const ATTEMPTS = 10;

function fail(text) {
  console.error(text);
  process.exit(1);
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Sends a request until it is answered: once more after a lost answer, a 429 or a 503. */
async function ask(method, path, body, token) {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      const signal = AbortSignal.timeout(10_000);
      const response = await fetch(service + path, { method, headers, body: JSON.stringify(body), signal });
      const answer = await response.json();
      if (![429, 503].includes(response.status)) return { status: response.status, answer };
      await sleep(1000 * (response.headers.get("Retry-After") ?? 1));
    } catch {
      await sleep(Math.random() * Math.min(20_000, 500 * 2 ** attempt)); // at random: not all come back at once
    }
  }
  fail(`${service} does not answer`);
}

let session = null;

/** Signs in when there is no session, or it is about to end. */
async function signedIn() {
  if (session && Date.now() < session.renewAt) return session;
  const { status, answer } = await ask("POST", "/auth/login", { username, password });
  if (status !== 200) fail(answer.detail);
  session = { ...answer, renewAt: Date.now() + answer.expiresIn * 900 }; // when nine tenths of it are over
  return session;
}

/** Starts an action, completes it, and gives the points it brought. */
async function play() {
  const { userId, accessToken } = await signedIn();
  const actions = `/users/${userId}/actions`;
  const started = await ask("POST", actions, { status: "started" }, accessToken);
  if (started.status !== 201) fail(started.answer.detail);
  const path = `${actions}/${started.answer.actionId}`;
  const { status, answer } = await ask("PUT", path, { status: "completed" }, accessToken);
  if (status === 409 && answer.code === "action-completed") return answer.action.score; // an attempt before has counted
  if (status !== 200) fail(answer.detail);
  return answer.awardedPoints;
}

console.log(`${await play()} points`);

// The service's own client, which connects again by itself. In a page: import { follow } from "/scoreboard.js".
const source = await (await fetch(`${service}/scoreboard.js`)).text();
const { follow } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const board = follow(service, {
  token: async (refused) => {
    if (session?.accessToken === refused) session = null; // sign in again
    return (await signedIn()).accessToken;
  },
});

try {
  for await (const { payload } of board) console.log(JSON.stringify(payload));
} catch (error) {
  fail(error.message); // suspended, or the token is not taken
}
