/** New users on the operator's page, one or a list of them, and links for those who forgot the password. */

import { call } from "./api.js";
import { $ } from "./elements.js";
import { attend, say } from "./messages.js";
import { grouped } from "./numbers.js";
import { item } from "./operator-items.js";
import { forgetSlips, showSlips } from "./operator-slips.js";

const IMPORT_MS = 60_000; // the passwords of a hundred users take seconds to hash

async function makeOne() {
  const { username, displayName, role } = Object.fromEntries(new FormData($("make-user")));
  const body = { username, role, ...(displayName.trim() && { displayName }) };
  const { data } = await call("POST", "/admin/users", { body });
  $("make-user").reset();
  say($("message"), `Done: ${data.username} can sign in.`, "good");
  await showSlips([{ ...data, displayName: data.displayName ?? displayName }]);
}

async function takeFile() {
  const file = $("import-file").files[0];
  if (!file) return;
  const text = await file.text();
  $("import-file").value = "";
  if (text.includes("\ufffd")) return say($("message"), "This file is not UTF-8. In Excel, save it as “CSV UTF-8”.", "bad");
  $("import-users").list.value = text;
  await importList(true);
}

/** Checks the list, or makes its users. */
async function importList(dryRun) {
  $("import-problems").replaceChildren();
  let data;
  try {
    const body = { csv: $("import-users").list.value, dryRun };
    ({ data } = await call("POST", "/admin/users/import", { body, timeout: IMPORT_MS }));
  } catch (error) {
    if (error.code !== "invalid-list") throw error;
    $("import-problems").replaceChildren(...error.problem.errors.map(({ line, detail }) => item(`Line ${line}`, [detail], [])));
    return say($("message"), `${grouped(error.problem.errors.length)} mistakes; nobody was made.`, "bad");
  }
  const { created, skipped } = data;
  const there = skipped.length ? `; ${grouped(skipped.length)} are there already` : "";
  if (dryRun) return say($("message"), `${grouped(created.length)} users would be made${there}.`, "good");
  $("import-users").reset();
  $("import-problems").replaceChildren(
    ...skipped.map(({ line, username }) => item(`Line ${line}`, [`${username} is there already.`], [])),
  );
  say($("message"), `Done: ${grouped(created.length)} users were made${there}.`, "good");
  if (created.length) await showSlips(created);
}

/** Makes a link by which a user sets a new password, and shows it until the next one. */
export async function makeResetLink({ userId, username }) {
  const { data } = await call("POST", `/admin/users/${userId}/reset`);
  $("reset-link-about").textContent = `${username}, good once, until ${new Date(data.expiresAt).toLocaleString()}`;
  $("reset-link-itself").value = data.url;
  $("reset-link").hidden = false;
  $("reset-link-itself").focus();
  $("reset-link-itself").select();
}

/** Takes passwords and links out of the page. */
export function forgetSecrets() {
  forgetSlips();
  $("reset-link").hidden = true;
  $("reset-link-itself").value = "";
  $("make-user").reset();
  $("import-users").reset();
  $("import-problems").replaceChildren();
}

function onSubmit(id, work) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    attend($(id).querySelector("button:not([type])"), $("message"), work);
  });
}

onSubmit("make-user", makeOne);
onSubmit("import-users", () => importList(false));
$("check-list").addEventListener("click", () => attend($("check-list"), $("message"), () => importList(true)));
$("import-file").addEventListener("change", () => attend($("check-list"), $("message"), takeFile));
