/** New players: one, or a list of them. */

import { call } from "../api.js";
import { $ } from "../elements.js";
import { attend, say } from "../messages.js";
import { number, t } from "../words.js";
import { item, onSubmit } from "./elements.js";
import { forgetSlips, showSlips } from "./slips.js";
import { done, wrong } from "./toast.js";

const IMPORT_MS = 60_000; // the passwords of a hundred users take seconds to hash

async function makeOne({ username, displayName, role }) {
  const body = { username, role, ...(displayName.trim() && { displayName }) };
  const { data } = await call("POST", "/admin/users", { body });
  $("make-user").reset();
  done(t("organizer.made-one", { name: data.username }));
  await showSlips([{ ...data, displayName: data.displayName ?? displayName }]);
}

async function takeFile() {
  const file = $("import-file").files[0];
  if (!file) return;
  const text = await file.text();
  $("import-file").value = "";
  if (text.includes("\ufffd")) return wrong(t("organizer.not-utf8"));
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
    const { errors } = error.problem;
    $("import-problems").replaceChildren(...errors.map(({ line, detail }) => item(lineOf(line), [detail])));
    return wrong(t("organizer.list-wrong", { count: errors.length }));
  }
  const { created, skipped } = data;
  const there = skipped.length ? ` ${t("organizer.list-skipped", { count: skipped.length })}` : "";
  if (dryRun) return say($("message"), t("organizer.list-would", { count: created.length }) + there, "good");
  $("import-users").reset();
  $("import-problems").replaceChildren(
    ...skipped.map(({ line, username }) => item(lineOf(line), [t("organizer.is-there", { name: username })])),
  );
  done(t("organizer.list-made", { count: created.length }) + there);
  if (created.length) await showSlips(created);
}

const lineOf = (line) => t("organizer.line", { line: number(line) });

/** Shows one of the two forms, or puts it away. */
function unfold(id) {
  const other = id === "make" ? "import" : "make";
  $(other).hidden = true;
  $(id).hidden = !$(id).hidden;
  for (const it of ["make", "import"]) $(`open-${it}`).setAttribute("aria-expanded", String(!$(it).hidden));
  if (!$(id).hidden) $(id).querySelector("input, textarea").focus();
}

/** Takes what was typed, and passwords, out of the page. */
export function forgetNewPlayers() {
  forgetSlips();
  $("make-user").reset();
  $("import-users").reset();
  $("import-problems").replaceChildren();
}

/** Makes the forms work. */
export function watchNewPlayers() {
  for (const id of ["make", "import"]) $(`open-${id}`).addEventListener("click", () => unfold(id));
  onSubmit($("make-user"), $("message"), makeOne);
  onSubmit($("import-users"), $("message"), () => importList(false));
  $("check-list").addEventListener("click", () => attend($("check-list"), $("message"), () => importList(true)));
  $("import-file").addEventListener("change", () => attend($("check-list"), $("message"), takeFile));
}
