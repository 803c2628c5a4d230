/** Service keys on the operator's page: made, shown this once, and revoked. */

import { call } from "./api.js";
import { $ } from "./elements.js";
import { attend, say } from "./messages.js";
import { ask } from "./operator-ask.js";
import { act, element, item } from "./operator-items.js";

const LIMIT = 50;
let next = null;

/** Shows the keys that aren't revoked, the newest first. */
export async function loadKeys() {
  const items = await page("");
  $("keys").replaceChildren(...(items.length ? items : [element("li", "quiet", "There are none.")]));
}

/** Takes a key that was just made out of the page. */
export function forgetKey() {
  $("new-key").hidden = true;
  $("new-key-itself").value = "";
}

async function loadMore() {
  const asked = next;
  const items = await page(`&cursor=${asked}`);
  $("keys").append(...items);
}

async function page(cursor) {
  const { data } = await call("GET", `/admin/keys?limit=${LIMIT}${cursor}`, { tries: 2 });
  next = data.nextCursor;
  $("more-keys").hidden = next === null;
  return data.items.map(keyItem);
}

function keyItem({ id, name, scopes, expiresAt, createdAt, lastUsedAt }) {
  const revoke = async () => {
    const answer = await ask(`Revoke the service key ${name}?`, { needsReason: false });
    if (!answer) return;
    await call("DELETE", `/admin/keys/${id}`, { body: answer });
    forgetKey();
    say($("message"), `Done: ${name} is refused everywhere within seconds.`, "good");
    await loadKeys();
  };
  return item(
    name,
    [
      scopes.join(", "),
      [
        lastUsedAt ? `last used ${moment(lastUsedAt)}` : "never used",
        expiresAt ? `expires ${moment(expiresAt)}` : "never expires",
        `made ${moment(createdAt)}`,
      ].join(" · "),
    ],
    [act("Revoke", name, revoke)],
  );
}

const moment = (text) => new Date(text).toLocaleString();

async function make() {
  const form = $("make-key");
  const given = new FormData(form);
  const scopes = given.getAll("scope");
  if (!scopes.length) return say($("message"), "Choose what the key may do.", "bad");
  const expires = given.get("expires");
  const { data } = await call("POST", "/admin/keys", {
    body: { name: given.get("name"), scopes, ...(expires && { expiresAt: new Date(expires).toISOString() }) },
  });
  form.reset();
  $("new-key-name").textContent = data.name;
  $("new-key-itself").value = data.key;
  $("new-key").hidden = false;
  $("new-key-itself").focus();
  $("new-key-itself").select();
  await loadKeys();
}

async function copy() {
  const field = $("new-key-itself");
  field.select();
  // The clipboard is there over https and on this machine alone; the older way works wherever a field is selected.
  const copied = navigator.clipboard
    ? await navigator.clipboard.writeText(field.value).then(() => true, () => false)
    : document.execCommand("copy");
  say($("message"), copied ? "The key is copied." : "The key is selected: copy it by hand.", copied ? "good" : "");
}

$("make-key").addEventListener("submit", (event) => {
  event.preventDefault();
  attend($("make-key").querySelector("button"), $("message"), make);
});
$("copy-key").addEventListener("click", () => attend($("copy-key"), $("message"), copy));
$("more-keys").addEventListener("click", () => attend($("more-keys"), $("message"), loadMore));
