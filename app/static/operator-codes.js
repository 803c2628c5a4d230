/** Join codes on the operator's page: made, shown once with a QR code for a screen, listed, deleted. */

import { loadAbout } from "./about.js";
import { call } from "./api.js";
import { $ } from "./elements.js";
import { attend, say } from "./messages.js";
import { grouped } from "./numbers.js";
import { ask } from "./operator-ask.js";
import { act, element, item } from "./operator-items.js";

const LIMIT = 20;
const HOUR_MS = 3_600_000;
let next = null;

/** Shows the newest codes, and whether one is of any use here. */
export async function loadCodes() {
  const [items, { registration }] = await Promise.all([page(), loadAbout()]);
  $("codes").replaceChildren(...(items.length ? items : [element("li", "quiet", "There are none.")]));
  $("codes-idle").hidden = registration === "code";
}

async function loadMore() {
  $("codes").append(...(await page(next)));
}

async function page(cursor = null) {
  const query = new URLSearchParams({ limit: LIMIT, ...(cursor && { cursor }) });
  const { data } = await call("GET", `/admin/join-codes?${query}`, { tries: 2 });
  next = data.nextCursor;
  $("more-codes").hidden = next === null;
  return data.items.map(codeItem);
}

function codeItem({ id, uses, used, expiresAt, note, createdAt }) {
  const name = note ?? `The code of ${new Date(createdAt).toLocaleString()}`;
  const until = expiresAt === null ? "does not expire" : `until ${new Date(expiresAt).toLocaleString()}`;
  const remove = async () => {
    const answer = await ask(`Delete ${name}?`, { needsReason: false });
    if (!answer) return;
    await call("DELETE", `/admin/join-codes/${id}`, { body: answer });
    if ($("new-code").dataset.id === id) forgetNewCode();
    await loadCodes();
  };
  return item(name, [`used ${grouped(used)} of ${grouped(uses)} times · ${until}`], [act("Delete", name, remove)]);
}

async function create() {
  const form = $("code-form");
  const { uses, hours, note } = Object.fromEntries(new FormData(form));
  const body = { uses: Number(uses) };
  if (hours) body.expiresAt = new Date(Date.now() + Number(hours) * HOUR_MS).toISOString();
  if (note.trim()) body.note = note.trim();
  const { data } = await call("POST", "/admin/join-codes", { body });
  form.reset();
  showNewCode(data);
  await loadCodes();
}

function showNewCode({ id, code, url, qr }) {
  $("new-code").dataset.id = id;
  $("new-code-qr").src = `data:image/svg+xml,${encodeURIComponent(qr)}`;
  $("new-code-qr").alt = `QR code of ${url}`;
  $("new-code-text").textContent = `${code.slice(0, 4)} ${code.slice(4)}`;
  $("new-code-url").textContent = url.replace(/^https?:\/\//, "").replace(/\/\?join=.*/, "");
  $("new-code").hidden = false;
  $("new-code-title").focus();
}

/** Takes a new code off the page. */
export function forgetNewCode() {
  if (document.fullscreenElement) document.exitFullscreen();
  $("new-code").hidden = true;
  for (const name of ["src", "alt"]) $("new-code-qr").removeAttribute(name);
  for (const id of ["new-code-text", "new-code-url"]) $(id).textContent = "";
}

async function showOnScreen() {
  try {
    await $("new-code").requestFullscreen();
  } catch {
    say($("message"), "This browser shows nothing on the full screen.", "bad");
  }
}

$("code-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attend($("code-form").querySelector("button"), $("message"), create);
});
$("more-codes").addEventListener("click", () => attend($("more-codes"), $("message"), loadMore));
$("new-code-screen").addEventListener("click", showOnScreen);
$("new-code-done").addEventListener("click", forgetNewCode);
