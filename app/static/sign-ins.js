/** Buttons for signing in at other issuers, and coming back from there. */

import { call, pause } from "./api.js";
import { $ } from "./elements.js";
import { attend } from "./messages.js";
import { finishSignIn, leaveForIssuer, takeAnswer } from "./oidc.js";
import { takeForeignTokens } from "./session.js";
import { t } from "./words.js";

const TRIES = 4;
const RETRY_MS = 3_000;

/** Offers a button for each issuer at which one can sign in right now. @param {import("./about.js").About} about */
export async function offerSignIns({ issuers }) {
  for (let attempt = 1; issuers.length && attempt <= TRIES; attempt++) {
    const { data } = await call("GET", "/auth/issuers").catch(() => ({ data: { items: [] } }));
    $("sign-ins").replaceChildren(...data.items.map(buttonFor));
    $("sign-ins").hidden = !data.items.length;
    if (data.items.length === issuers.length) return;
    await pause(RETRY_MS * attempt); // the service may not know all of their addresses yet
  }
}

/** @param {import("./oidc.js").SignInWith} signIn */
function buttonFor(signIn) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = t("account.sign-in-with", { title: signIn.title });
  button.addEventListener("click", () => attend(button, $("guest-message"), () => leaveForIssuer(signIn)));
  return button;
}

/** Goes on with a sign-in whose issuer has just sent the browser back, if there is one. */
export function comeBack(entered) {
  const answer = takeAnswer();
  if (!answer) return;
  attend($("sign-ins"), $("guest-message"), async () => {
    await takeForeignTokens(await finishSignIn(answer));
    await entered();
  });
}
