/** The way back in for who forgot the password: a link of an operator's, `/#reset=TOKEN`, asks for a new one. */

import { call } from "./api.js";
import { $, filledIn } from "./elements.js";
import { attend, say } from "./messages.js";
import { begin, end, session } from "./session.js";

const LINK = /^#reset=([\w-]+)$/;
let token = null;

/** Asks for a new password when the page was opened by a link; `entered` is called once it is set. */
export function watchLinks(entered) {
  $("reset").addEventListener("submit", (event) => {
    event.preventDefault();
    attend($("reset").querySelector(".primary"), $("reset-message"), () => setPassword(entered));
  });
  addEventListener("hashchange", takeLink);
  takeLink();
}

function takeLink() {
  const found = LINK.exec(location.hash);
  if (!found) return;
  token = found[1];
  // Neither the address bar nor the history keeps it.
  history.replaceState(null, "", location.pathname + location.search);
  say($("reset-message"), "");
  $("reset-card").hidden = false;
  $("reset").password.focus();
}

async function setPassword(entered) {
  const { password } = filledIn($("reset"));
  const { data } = await call("POST", "/auth/reset", { body: { token, password } });
  token = null;
  $("reset").reset();
  $("reset-card").hidden = true;
  if (session) end(""); // perhaps somebody else's
  begin(data, "");
  entered();
}
