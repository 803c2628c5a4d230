/** Links by which a player sets a new password: shown once, until the next one. */

import { call } from "../api.js";
import { $ } from "../elements.js";
import { nameOf } from "../names.js";
import { t } from "../words.js";
import { copyField } from "./copy.js";
import { goTo } from "./sections.js";
import { clockOf } from "./times.js";

/** Makes a link and shows it. @param {{userId: string, username: string, displayName?: string | null}} player */
export async function makeResetLink(player) {
  const { data } = await call("POST", `/admin/users/${player.userId}/reset`);
  goTo("players");
  $("reset-link-about").textContent = t("organizer.reset-link", { name: nameOf(player), until: clockOf(data.expiresAt) });
  $("reset-link-itself").value = data.url;
  $("reset-link").hidden = false;
  $("reset-link-itself").focus();
  $("reset-link-itself").select();
}

/** Takes the link out of the page. */
export function forgetResetLink() {
  $("reset-link").hidden = true;
  $("reset-link-itself").value = "";
}

/** Lets it be copied and put away. */
export function watchResetLink() {
  $("copy-reset-link").addEventListener("click", () => copyField($("reset-link-itself")));
  $("reset-link-done").addEventListener("click", forgetResetLink);
}
