/** The slips that tell new players how to sign in: listed once, and printed, several on a page, to be cut. */

import { address } from "../api.js";
import { $ } from "../elements.js";
import { t } from "../words.js";
import { bare, element, item } from "./elements.js";

/** Shows users whose password is known for this once, and makes their slips ready to be printed. */
export async function showSlips(users) {
  const known = users.filter(({ password }) => password);
  $("made").hidden = $("print-slips").hidden = known.length === 0;
  $("made-about").textContent = t("organizer.new-passwords", { count: known.length });
  $("made-users").replaceChildren(
    ...known.map(({ username, displayName, password }) => {
      const made = item([bare(username)], [displayName && bare(displayName)]);
      made.append(element("code", "password", password));
      return made;
    }),
  );
  $("slips").replaceChildren(...known.map((user) => slip($("service-name").textContent, user)));
  document.body.classList.toggle("has-slips", known.length > 0);
}

function slip(service, { username, displayName, password }) {
  const fields = [[t("organizer.slip-open"), where()], [t("organizer.slip-username"), username], [t("organizer.slip-password"), password]];
  return element(
    "li",
    "slip",
    element("strong", "", bare(displayName || username)),
    element("span", "", service),
    element("dl", "", ...fields.flatMap(([term, value]) => [element("dt", "", term), element("dd", "", bare(value))])),
  );
}

/** The address of the service as one types it. */
export function where() {
  return address("/").replace(/^https:\/\//, "").replace(/\/$/, "");
}

/** Takes the passwords out of the page. */
export function forgetSlips() {
  $("made").hidden = $("print-slips").hidden = true;
  $("made-users").replaceChildren();
  $("slips").replaceChildren();
  document.body.classList.remove("has-slips");
}

/** Makes them printed on request. */
export function watchSlips() {
  $("print-slips").addEventListener("click", () => print());
}
