/** What players do with their own accounts: change the password, erase everything. */

import { call } from "./api.js";
import { $ } from "./elements.js";
import { attend, say } from "./messages.js";
import { end, session, takeToken } from "./session.js";

async function changePassword() {
  const form = $("new-password");
  const { current, chosen } = Object.fromEntries(new FormData(form));
  const body = { currentPassword: current, newPassword: chosen };
  const { data } = await call("POST", `/users/${session.userId}/password`, { body });
  takeToken(data);
  form.reset();
  say($("account-message"), "The password is changed. You are signed out everywhere else.", "good");
}

async function erase() {
  const { password } = Object.fromEntries(new FormData($("erase")));
  await call("DELETE", `/users/${session.userId}`, { body: { password } });
  forgetForms();
  end("Your account is erased.");
}

/** Empties the forms: the next one to sign in here shall not find a password. */
export function forgetForms() {
  for (const form of $("own-account").querySelectorAll("form")) form.reset();
  $("own-account").open = false;
  say($("account-message"), "");
}

for (const [id, work] of [["new-password", changePassword], ["erase", erase]]) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    attend($(id).querySelector(".primary"), $("account-message"), work);
  });
}
