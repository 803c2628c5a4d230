/** Who tries the API: a token that is pasted, or the one of a sign-in. It is kept by this window alone. */

import { address } from "./api.js";
import { $ } from "./elements.js";

let userId = "";
let changed = () => {};

/** Returns the token to send, or "". */
export const token = () => $("token").value.trim();

/** Returns what a parameter of a path probably is: one's own id. */
export const known = (name) => (name === "userId" ? userId : "");

/** Sets what to do when somebody has signed in, or when the token is another one. */
export function onAccess(callback) {
  changed = callback;
}

/** Makes the form work, and hides it where there are no passwords. */
export async function offerSignIn(rest) {
  $("access").hidden = false;
  $("token").addEventListener("input", () => changed());
  $("sign-in").addEventListener("submit", (event) => {
    event.preventDefault();
    signIn();
  });
  if (!rest.paths["/about"]) return;
  const about = await fetch(address("/about")).then((answer) => answer.json(), () => null);
  $("sign-in").hidden = about?.passwordLogin === false;
}

async function signIn() {
  const [username, password] = [$("username").value, $("password").value];
  const headers = { "Content-Type": "application/json" };
  $("access-state").textContent = "Signing in…";
  try {
    const body = JSON.stringify({ username, password });
    const answer = await fetch(address("/auth/login"), { method: "POST", headers, body });
    const data = await answer.json();
    if (!answer.ok) throw new Error(data.detail);
    $("token").value = data.accessToken;
    userId = data.userId;
    $("password").value = "";
    $("access-state").textContent = `Signed in as ${username}: the token is sent with each call from here.`;
    changed();
  } catch (error) {
    $("access-state").textContent = `Not signed in: ${error.message}`;
  }
}
