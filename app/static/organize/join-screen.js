/** How to join, for everybody to see: address, QR code and join code, on the whole screen or on the wall. */

import { address } from "../api.js";
import { $ } from "../elements.js";
import { t } from "../words.js";
import { desk } from "./desk.js";
import { goTo } from "./sections.js";
import { where } from "./slips.js";
import { wrong } from "./toast.js";

/** The id of the code that is shown. @returns {string | undefined} */
export const shownCode = () => $("new-code").dataset.id || undefined;

/** The lever: shows the code at hand; where a code is needed and none is at hand, asks for one to be made. */
export async function showJoin() {
  goTo("share");
  const { registration } = desk.about ?? {};
  if (registration === "closed" && !shownCode()) return wrong(t("organizer.registration-closed"));
  if (registration === "code" && !shownCode()) return $("code-form").uses.focus();
  if (!shownCode()) showAddress();
  await showOnScreen();
}

/** Shows a code that was just made: it is told this once. @param {{id: string, code: string, url: string, qr: string}} made */
export function showCode({ id, code, url, qr }) {
  show(id, url, `data:image/svg+xml,${encodeURIComponent(qr)}`, `${code.slice(0, 4)} ${code.slice(4)}`);
  $("new-code-wall").href = address(`/wall#join=${code}`); // in the fragment, which no log sees
  $("new-code-about").hidden = false;
  $("new-code-title").focus();
}

/** Shows the address alone, where anybody may join. */
function showAddress() {
  show("", address("/"), address("/join-qr.svg"), "");
  $("new-code-wall").href = address("/wall#lobby");
  $("new-code-about").hidden = true;
}

function show(id, url, drawn, text) {
  $("new-code").dataset.id = id;
  $("new-code-qr").hidden = false;
  $("new-code-qr").src = drawn;
  $("new-code-qr").alt = t("organizer.qr-of", { url });
  $("new-code-text").textContent = text;
  $("new-code-url").textContent = where();
  $("new-code").hidden = false;
}

/** Takes it off the page. */
export function forgetJoin() {
  if (document.fullscreenElement) document.exitFullscreen();
  $("new-code").hidden = true;
  delete $("new-code").dataset.id;
  for (const name of ["src", "alt"]) $("new-code-qr").removeAttribute(name);
  for (const id of ["new-code-text", "new-code-url"]) $(id).textContent = "";
}

async function showOnScreen() {
  try {
    await $("new-code").requestFullscreen();
  } catch {
    wrong(t("organizer.no-full-screen"));
  }
}

/** Makes the buttons work. */
export function watchJoin() {
  $("new-code-qr").addEventListener("error", () => ($("new-code-qr").hidden = true));
  $("show-address").addEventListener("click", showAddress);
  $("new-code-screen").addEventListener("click", showOnScreen);
  $("new-code-done").addEventListener("click", forgetJoin);
}
