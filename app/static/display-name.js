/** The form in which players choose the name that boards show. */

import { call } from "./api.js";
import { $, filledIn } from "./elements.js";
import { attend, say } from "./messages.js";
import { profile, takeProfile } from "./profile.js";
import { session } from "./session.js";
import { t } from "./words.js";

/** Fills the name in as it is; what somebody is typing stays. */
export function fillDisplayName() {
  $("display-name").displayName.defaultValue = profile?.displayName ?? "";
}

async function changeDisplayName() {
  const form = $("display-name");
  const { displayName } = filledIn(form);
  const body = { displayName: displayName.trim() || null };
  const { data } = await call("PATCH", `/users/${session.userId}`, { body });
  takeProfile(data);
  form.reset();
  say($("account-message"), data.displayName ? t("account.name-shown") : t("account.username-shown"), "good");
}

$("display-name").addEventListener("submit", (event) => {
  event.preventDefault();
  attend($("display-name").querySelector(".primary"), $("account-message"), changeDisplayName);
});
