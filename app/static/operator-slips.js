/** The slips that tell new users how to sign in: listed once, and printed, several on a page, to be cut. */

import { address, call } from "./api.js";
import { $ } from "./elements.js";
import { grouped } from "./numbers.js";
import { element, item } from "./operator-items.js";

/** Shows users whose password is known for this once, and makes their slips ready to be printed. */
export async function showSlips(users) {
  const known = users.filter(({ password }) => password);
  $("made").hidden = known.length === 0;
  $("made-about").textContent = `${grouped(known.length)} new passwords. They are shown this once: print the slips, or note them.`;
  $("made-users").replaceChildren(
    ...known.map(({ username, displayName, password }) => {
      const made = item(username, displayName ? [displayName] : [], []);
      made.append(element("code", "password", password));
      return made;
    }),
  );
  const { name } = await call("GET", "/about", { tries: 2 }).then(({ data }) => data, () => ({ name: "Scoreboard" }));
  $("slips").replaceChildren(...known.map((user) => slip(name, user)));
  document.body.classList.toggle("has-slips", known.length > 0);
}

function slip(service, { username, displayName, password }) {
  const fields = [["Open", where()], ["Username", username], ["Password", password]];
  return element(
    "li",
    "slip",
    element("strong", "", displayName || username),
    element("span", "", service),
    element("dl", "", ...fields.flatMap(([term, value]) => [element("dt", "", term), element("dd", "", value)])),
  );
}

/** The address of the service as one types it. */
function where() {
  return address("/").replace(/^https:\/\//, "").replace(/\/$/, "");
}

/** Takes the passwords out of the page. */
export function forgetSlips() {
  $("made").hidden = true;
  $("made-users").replaceChildren();
  $("slips").replaceChildren();
  document.body.classList.remove("has-slips");
}

$("print-slips").addEventListener("click", () => print());
