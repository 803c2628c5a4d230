/** Service keys: made, shown this once, and revoked. */

import { call } from "../api.js";
import { $ } from "../elements.js";
import { attend } from "../messages.js";
import { t } from "../words.js";
import { copyField } from "./copy.js";
import { ask } from "./dialogs.js";
import { act, bare, element, item, onSubmit } from "./elements.js";
import { showRows } from "./rows.js";
import { ago, clockOf, momentOf } from "./times.js";
import { done, wrong } from "./toast.js";

const LIMIT = 50;

/** @type {any[]} */
let keys = [];
let next = null;

/** Shows the keys that aren't revoked, the newest first. */
export async function loadKeys() {
  keys = await page("");
  show();
}

async function loadMore() {
  keys = [...keys, ...(await page(`&cursor=${next}`))];
  show();
}

async function page(cursor) {
  const { data } = await call("GET", `/admin/keys?limit=${LIMIT}${cursor}`, { tries: 2 });
  next = data.nextCursor;
  $("more-keys").hidden = next === null;
  return data.items;
}

function show() {
  showRows($("keys"), keys, (it) => it.id, keyItem, () => element("li", "quiet", t("organizer.none-yet")));
}

function keyItem({ id, name, scopes, expiresAt, createdAt, lastUsedAt }) {
  const lines = [
    scopes.join(", "),
    [
      lastUsedAt ? t("organizer.last-used", { at: ago(lastUsedAt) }) : t("organizer.never-used"),
      expiresAt ? t("organizer.expires", { at: clockOf(expiresAt) }) : t("organizer.never-expires"),
      t("organizer.made-at", { at: clockOf(createdAt) }),
    ].join(" · "),
  ];
  return item([bare(name)], lines, [act(t("organizer.revoke"), name, () => revoke(id, name))]);
}

/** The same key can't be made again: this asks first. */
async function revoke(id, name) {
  const body = await ask(t("organizer.revoke-title", { name }), { about: t("organizer.revoke-about"), danger: true });
  if (!body) return;
  await call("DELETE", `/admin/keys/${id}`, { body });
  forgetNewKey();
  await loadKeys();
  done(t("organizer.revoked", { name }));
}

async function make() {
  const form = $("make-key");
  const given = new FormData(form);
  const scopes = given.getAll("scope");
  if (!scopes.length) return wrong(t("organizer.choose-scope"));
  const expires = String(given.get("expires"));
  const { data } = await call("POST", "/admin/keys", {
    body: { name: given.get("name"), scopes, ...(expires && { expiresAt: momentOf(expires) }) },
  });
  form.reset();
  $("new-key-name").textContent = data.name;
  $("new-key-itself").value = data.key;
  $("new-key").hidden = false;
  $("new-key-itself").focus();
  $("new-key-itself").select();
  await loadKeys();
}

function forgetNewKey() {
  $("new-key").hidden = true;
  $("new-key-itself").value = "";
}

/** Takes the keys, and one that was just made, off the page. */
export function forgetKeys() {
  forgetNewKey();
  [keys, next] = [[], null];
  $("keys").replaceChildren();
}

/** Makes the form and the buttons work. */
export function watchKeys() {
  onSubmit($("make-key"), $("message"), make);
  $("copy-key").addEventListener("click", () => copyField($("new-key-itself")));
  $("more-keys").addEventListener("click", () => attend($("more-keys"), $("message"), loadMore));
}
