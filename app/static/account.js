/** Joining: the form that signs in or makes an account, and who is told what at the top of the page. */

import { $, filledIn } from "./elements.js";
import { forgetLinkedCode, linkedCode } from "./join-link.js";
import { say } from "./messages.js";
import { logIn, register, session } from "./session.js";
import { t } from "./words.js";

const BEEN_HERE = "been-here"; // somebody has signed in in this browser before

let joining = false; // the form makes an account first
let needsCode = false;
let asksEmail = false;

export async function signIn() {
  const form = $("sign-in");
  const { username, password, email, joinCode } = filledIn(form);
  if (joining) {
    await register({ username, password, ...(email && { email }), ...(joinCode && { joinCode }) });
    forgetLinkedCode();
    setJoining(false); // from here on the account exists: a second try only signs in
  }
  await logIn(username, password);
  localStorage.setItem(BEEN_HERE, "yes");
  form.reset();
}

/** Turns the form to the other of its two purposes. */
export function switchForm() {
  setJoining(!joining);
  say($("guest-message"), "");
  focusFirst();
}

/** Opens the form, or closes it. */
export function toggleForm() {
  showForm($("joining").hidden);
  if (!$("joining").hidden) focusFirst();
}

/** Offers what works here, and nothing else. @param {import("./about.js").About} about */
export function offer({ registration, passwordLogin, askEmail }) {
  needsCode = registration === "code";
  asksEmail = askEmail;
  const open = registration !== "closed" && passwordLogin;
  $("sign-in").hidden = !passwordLogin;
  $("switch").hidden = !open;
  $("no-account").hidden = open || !passwordLogin;
  $("join").hidden = false;
  $("join").textContent = open ? t("account.join") : t("account.sign-in");
  $("guest-title").textContent = open ? t("account.watch-or-join") : t("account.watch-or-sign-in");
  const code = linkedCode();
  if (needsCode && code !== null) $("sign-in").joinCode.value = code;
  setJoining(open && (joining || code !== null || localStorage.getItem(BEEN_HERE) === null));
  if (code === null || session !== null) return;
  showForm(true);
  focusFirst();
}

function showForm(on) {
  $("joining").hidden = !on;
  $("join").setAttribute("aria-expanded", String(on));
}

/** Puts the keyboard's focus where there is something to type. */
function focusFirst() {
  const form = $("sign-in");
  if (form.hidden) return;
  (joining && needsCode && !form.joinCode.value ? form.joinCode : form.username).focus();
}

function setJoining(on) {
  const form = $("sign-in");
  joining = on;
  $("rules").hidden = !on;
  ask("join-code", form.joinCode, on && needsCode);
  ask("email", form.email, on && asksEmail);
  form.username.minLength = on ? 3 : 0;
  form.username.pattern = on ? "[A-Za-z0-9][A-Za-z0-9_.\\-]*" : ".*";
  form.password.minLength = on ? 8 : 0;
  form.password.autocomplete = on ? "new-password" : "current-password";
  form.querySelector(".primary").textContent = on ? t("account.create") : t("account.sign-in");
  $("switch").textContent = on ? t("account.have-one") : t("account.new-here");
  $("switch").setAttribute("aria-pressed", String(on));
}

/** Shows a field or not; what is not shown is not sent. */
function ask(id, field, on) {
  $(id).hidden = field.disabled = !on;
}

/** Shows what is there for the one who is here; the keyboard's focus isn't lost with the rest. */
export function showPanel() {
  const parts = [$("guest"), $("player"), $("play"), $("mine")];
  const focusLost = parts.some((part) => part.contains(document.activeElement));
  $("guest").hidden = session !== null;
  for (const part of parts.slice(1)) part.hidden = session === null;
  if (session) showForm(false);
  if (focusLost) $(session ? "player-name" : "guest-title").focus();
}
