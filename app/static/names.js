/** How users are named: by the display name where there is one, and the username beside it, since that one is unique. */

import { t } from "./words.js";

/** @typedef {{username: string | null, displayName?: string | null}} Named */

/** @param {Named} user @returns {string} the name to show */
export const nameOf = ({ username, displayName }) => displayName || username || t("board.erased-user");

/** Makes elements that show a user; each keeps the direction of its script to itself. */
export function namesOf(user) {
  const name = document.createElement("bdi");
  name.textContent = nameOf(user);
  if (user.displayName == null) return [name];
  const username = document.createElement("bdi");
  username.className = "username";
  username.textContent = user.username;
  return [name, " ", username];
}
