/** The form that signs in or makes an account, and which of the two panels is up. */

import { $ } from "./elements.js";
import { say } from "./messages.js";
import { logIn, register, session } from "./session.js";

let joining = false; // the form makes an account first

export async function signIn() {
  const form = $("sign-in");
  const { username, email, password } = Object.fromEntries(new FormData(form));
  if (joining) {
    await register(username, email, password);
    setJoining(false); // from here on the account exists: a second try only signs in
  }
  await logIn(username, password);
  form.reset();
}

/** Turns the form to the other of its two purposes. */
export function switchForm() {
  setJoining(!joining);
  say($("guest-message"), "");
  $("sign-in").username.focus();
}

function setJoining(on) {
  const form = $("sign-in");
  joining = on;
  $("guest-title").textContent = on ? "Create an account" : "Sign in to play";
  $("email").hidden = $("rules").hidden = !on;
  form.email.disabled = !on;
  form.username.minLength = on ? 3 : 0;
  form.username.pattern = on ? "[A-Za-z0-9][A-Za-z0-9_.\\-]*" : ".*";
  form.password.minLength = on ? 8 : 0;
  form.password.autocomplete = on ? "new-password" : "current-password";
  form.querySelector(".primary").textContent = on ? "Create account" : "Sign in";
  $("switch").textContent = on ? "Have an account? Sign in" : "New here? Create an account";
  $("switch").setAttribute("aria-pressed", String(on));
}

/** Puts up the panel of the one who is here; the keyboard's focus isn't lost with the other one. */
export function showPanel() {
  const focusLost = [$("guest"), $("player")].some((panel) => panel.contains(document.activeElement));
  $("guest").hidden = session !== null;
  $("player").hidden = session === null;
  if (focusLost) $(session ? "player-name" : "guest-title").focus();
}
