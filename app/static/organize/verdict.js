/** The one sentence that answers "is anything wrong?", and the last full check. */

import { call } from "../api.js";
import { $ } from "../elements.js";
import { number, t } from "../words.js";
import { broadcasting, desk, note, onDesk } from "./desk.js";
import { clockOf } from "./times.js";

const LATE_S = 10; // points that wait for so long are told of
const CHECK_EVERY_MS = 600_000;

/** Has the service check everything that it adds up. */
export async function check() {
  const { data } = await call("GET", "/admin/audit", { timeout: 60_000 });
  note({ audit: { ...data, at: new Date(Date.now() - data.ageSeconds * 1000) } });
}

/** Checks when the last check is old; one that fails is made again later. */
export async function checkIfOld() {
  if (desk.audit && Date.now() - desk.audit.at.getTime() < CHECK_EVERY_MS) return;
  await check();
}

/** What is said, the worst first. @returns {{tone: "good" | "wait" | "bad", sign: string, words: string, about: string}} */
export function judge({ stats, reachable, audit, boards, flags }) {
  const checked = audit ? t(audit.ok ? "organizer.checked" : "organizer.checked-wrong", { at: clockOf(audit.at) }) : "";
  if (!reachable) return told("bad", "!", t("organizer.unreachable"), t("organizer.unreachable-about"));
  if (!stats) return told("wait", "…", t("organizer.looking"), "");
  if (stats.settleLagSeconds > LATE_S) {
    return told("bad", "!", t("organizer.late", { seconds: Math.round(stats.settleLagSeconds) }), t("organizer.late-about", { count: stats.unsettled }));
  }
  if (audit && !audit.ok) {
    const count = audit.checks.reduce((sum, it) => sum + it.violations, 0);
    return told("bad", "!", t("organizer.violated", { count }), `${t("organizer.violated-about")} ${checked}`);
  }
  if (stats.held > 0) return told("wait", number(stats.held), t("organizer.scores-wait", { count: stats.held }), `${t("organizer.all-others")} ${checked}`);
  if (!broadcasting(flags)) return told("wait", "Ⅱ", t("organizer.paused-now"), `${t("organizer.paused-safe")} ${checked}`);
  const frozen = boards.filter((it) => it.frozen).length;
  const about = t(frozen ? "organizer.fine-frozen" : "organizer.fine-about", { count: frozen });
  return told("good", "✓", t("organizer.fine"), `${about} ${checked}`);
}

const told = (tone, sign, words, about) => ({ tone, sign, words, about });

function show() {
  const { tone, sign, words, about } = judge(desk);
  $("verdict").dataset.tone = tone;
  write($("verdict-sign"), sign);
  write($("verdict-words"), words);
  write($("verdict-about"), about);
  const held = desk.stats?.held ?? 0;
  $("held-count").hidden = !held;
  write($("held-count"), held ? number(held) : "");
  const [name, state] = !desk.reachable ? ["unreachable", t("organizer.unreachable")] : desk.stats ? ["live", t("organizer.live")] : ["connecting", t("organizer.looking")];
  $("connection").dataset.state = name;
  write($("connection"), state);
}

/** A live region speaks when it is written to: only what has changed is. */
function write(element, text) {
  if (element.textContent !== text.trim()) element.textContent = text.trim();
}

/** Keeps the sentence true. */
export function watchVerdict() {
  onDesk(show);
}
