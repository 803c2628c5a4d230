/**
 * Who is signed in on this screen, where somebody has to be: the board may need it, and a ceremony does. What a session
 * needs is loaded only then: most walls have none, and many run in browsers for which it is too new.
 */

import { $ } from "./elements.js";
import { t } from "./words.js";

/** @returns {Promise<(() => Promise<string | null>) | undefined>} the token of who is signed in in this tab, if anybody */
export async function storedToken() {
  if (!sessionStorage.getItem("session")) return undefined;
  const module = await import("./session.js");
  module.restore();
  return module.session ? tokenOf(module) : undefined;
}

const tokenOf = (module) => async () => {
  await module.renewIfDue();
  return module.session ? module.session.accessToken : null;
};

/**
 * Asks somebody to sign in, unless the form is there already.
 * @param {string} why in words
 * @param {(token: () => Promise<string | null>) => void} done
 */
export function askToSignIn(why, done) {
  const form = $("sign-in");
  $("sign-in-why").textContent = why;
  if (!form.hidden) return;
  form.hidden = false;
  form.username.focus();
  form.onsubmit = async (event) => {
    event.preventDefault();
    $("sign-in-message").textContent = "";
    try {
      const module = await import("./session.js");
      await module.logIn(form.username.value, form.password.value);
      closeSignIn();
      done(tokenOf(module));
    } catch (error) {
      $("sign-in-message").textContent = error.code === "wrong-credentials" ? t("wall.wrong-credentials") : error.message;
    }
  };
}

/** @returns {boolean} whether it was open */
export function closeSignIn() {
  const form = $("sign-in");
  const was = !form.hidden;
  form.hidden = true;
  form.reset();
  $("sign-in-message").textContent = "";
  return was;
}
