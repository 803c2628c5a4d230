/** The form that signs in or makes an account, and which of the two panels is up. */

import { $ } from "./elements.js";
import { forgetLinkedCode, linkedCode } from "./join-link.js";
import { say } from "./messages.js";
import { logIn, register, session } from "./session.js";

let joining = false; // the form makes an account first
let needsCode = false;
let asksEmail = false;

export async function signIn() {
  const form = $("sign-in");
  const { username, password, email, joinCode } = Object.fromEntries(new FormData(form));
  if (joining) {
    await register({ username, password, ...(email && { email }), ...(joinCode && { joinCode }) });
    forgetLinkedCode();
    setJoining(false); // from here on the account exists: a second try only signs in
  }
  await logIn(username, password);
  form.reset();
}

/** Turns the form to the other of its two purposes. */
export function switchForm() {
  setJoining(!joining);
  say($("guest-message"), "");
  focusFirst();
}

/** Offers what works here, and nothing else. @param {import("./about.js").About} about */
export function offer({ registration, passwordLogin, askEmail }) {
  needsCode = registration === "code";
  asksEmail = askEmail;
  $("sign-in").hidden = !passwordLogin;
  $("switch").hidden = registration === "closed";
  $("no-account").hidden = registration !== "closed" || !passwordLogin;
  const code = linkedCode();
  if (needsCode && code !== null) $("sign-in").joinCode.value = code;
  setJoining(registration !== "closed" && (joining || code !== null));
  if (code !== null && session === null) focusFirst();
}

/** Puts the keyboard's focus where there is something to type. */
function focusFirst() {
  const form = $("sign-in");
  (joining && needsCode && !form.joinCode.value ? form.joinCode : form.username).focus();
}

function setJoining(on) {
  const form = $("sign-in");
  joining = on;
  $("guest-title").textContent = on ? "Create an account" : "Sign in to play";
  $("rules").hidden = !on;
  ask("join-code", form.joinCode, on && needsCode);
  ask("email", form.email, on && asksEmail);
  form.username.minLength = on ? 3 : 0;
  form.username.pattern = on ? "[A-Za-z0-9][A-Za-z0-9_.\\-]*" : ".*";
  form.password.minLength = on ? 8 : 0;
  form.password.autocomplete = on ? "new-password" : "current-password";
  form.querySelector(".primary").textContent = on ? "Create account" : "Sign in";
  $("switch").textContent = on ? "Have an account? Sign in" : "New here? Create an account";
  $("switch").setAttribute("aria-pressed", String(on));
}

/** Shows a field or not; what is not shown is not sent. */
function ask(id, field, on) {
  $(id).hidden = field.disabled = !on;
}

/** Puts up the panel of the one who is here; the keyboard's focus isn't lost with the other one. */
export function showPanel() {
  const focusLost = [$("guest"), $("player")].some((panel) => panel.contains(document.activeElement));
  $("guest").hidden = session !== null;
  $("player").hidden = session === null;
  if (focusLost) $(session ? "player-name" : "guest-title").focus();
}
