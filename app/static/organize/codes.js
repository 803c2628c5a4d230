/** Join codes: made, shown once with a QR code for a screen, listed, deleted. */

import { call } from "../api.js";
import { $ } from "../elements.js";
import { attend } from "../messages.js";
import { t } from "../words.js";
import { desk } from "./desk.js";
import { ask } from "./dialogs.js";
import { act, bare, element, item, onSubmit } from "./elements.js";
import { forgetJoin, showCode, shownCode } from "./join-screen.js";
import { showRows } from "./rows.js";
import { clockOf } from "./times.js";
import { done } from "./toast.js";

const LIMIT = 20;
const HOUR_MS = 3_600_000;

/** @type {any[]} */
let codes = [];
let next = null;

/** Shows the newest codes, and whether one is of any use here. */
export async function loadCodes() {
  codes = await page();
  $("codes-idle").hidden = desk.about?.registration === "code";
  show();
}

async function loadMore() {
  codes = [...codes, ...(await page(next))];
  show();
}

async function page(cursor = null) {
  const query = new URLSearchParams({ limit: String(LIMIT), ...(cursor && { cursor }) });
  const { data } = await call("GET", `/admin/join-codes?${query}`, { tries: 2 });
  next = data.nextCursor;
  $("more-codes").hidden = next === null;
  return data.items;
}

function show() {
  showRows($("codes"), codes, (it) => it.id, codeItem, () => element("li", "quiet", t("organizer.none-yet")));
}

function codeItem({ id, uses, used, expiresAt, note, createdAt }) {
  const name = note ?? t("organizer.code-of", { at: clockOf(createdAt) });
  const until = expiresAt === null ? t("organizer.never-expires") : t("organizer.until", { at: clockOf(expiresAt) });
  const lines = [`${t("organizer.code-used", { used, uses })} · ${until}`];
  return item([bare(name)], lines, [act(t("organizer.delete"), name, () => remove(id, name))]);
}

/** The same code can't be made again: this asks first. */
async function remove(id, name) {
  const body = await ask(t("organizer.delete-title", { name }), { about: t("organizer.delete-code-about"), danger: true });
  if (!body) return;
  await call("DELETE", `/admin/join-codes/${id}`, { body });
  if (shownCode() === id) forgetJoin();
  await loadCodes();
  done(t("organizer.deleted", { name }));
}

async function create({ uses, hours, note }) {
  const body = { uses: Number(uses) };
  if (hours) body.expiresAt = new Date(Date.now() + Number(hours) * HOUR_MS).toISOString();
  if (note.trim()) body.note = note.trim();
  const { data } = await call("POST", "/admin/join-codes", { body });
  $("code-form").reset();
  showCode(data);
  await loadCodes();
}

/** Takes the codes off the page. */
export function forgetCodes() {
  [codes, next] = [[], null];
  $("codes").replaceChildren();
  forgetJoin();
}

/** Makes the form and the buttons work. */
export function watchCodes() {
  onSubmit($("code-form"), $("message"), create);
  $("more-codes").addEventListener("click", () => attend($("more-codes"), $("message"), loadMore));
}
