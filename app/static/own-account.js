/** What players do with their own accounts: change the password, erase everything. */

import { call } from "./api.js";
import { $, filledIn } from "./elements.js";
import { goLive, leaveLive } from "./live.js";
import { attend, say } from "./messages.js";
import { end, session, takeToken } from "./session.js";
import { t } from "./words.js";

async function changePassword() {
  const form = $("new-password");
  const { current, chosen } = filledIn(form);
  const body = { currentPassword: current, newPassword: chosen };
  const { data } = await offline(() => call("POST", `/users/${session.userId}/password`, { body }));
  takeToken(data);
  goLive();
  form.reset();
  say($("account-message"), t("account.password-changed"), "good");
}

async function erase() {
  const { password } = filledIn($("erase")); // none of who comes from elsewhere
  await offline(() => call("DELETE", `/users/${session.userId}`, { body: { password } }));
  forgetForms();
  end(t("account.erased"));
}

/** Makes a call that ends the token: a socket that is told so first would take it for the end of the session. */
async function offline(work) {
  leaveLive();
  try {
    return await work();
  } catch (error) {
    if (session) goLive();
    throw error;
  }
}

/** Empties the forms: the next one to sign in here shall not find a password. */
export function forgetForms() {
  for (const form of $("own-account").querySelectorAll("form")) form.reset();
  $("own-account").open = false;
  say($("account-message"), "");
}

/** Asks who has signed in elsewhere for no password. */
function askForPasswords() {
  const elsewhere = Boolean(session?.renewal);
  $("new-password").hidden = $("erase").password.disabled = elsewhere;
  $("erase").password.closest("label").hidden = elsewhere;
}

$("own-account").addEventListener("toggle", askForPasswords);
for (const [id, work] of /** @type {[string, () => Promise<void>][]} */ ([["new-password", changePassword], ["erase", erase]])) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    attend($(id).querySelector(".primary"), $("account-message"), work);
  });
}
