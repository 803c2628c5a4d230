/** The numbers for engineers, in a fold. */

import { $ } from "../elements.js";
import { attend } from "../messages.js";
import { number, t } from "../words.js";
import { desk, onDesk } from "./desk.js";
import { element, item } from "./elements.js";
import { showRows } from "./rows.js";
import { check } from "./verdict.js";

const COUNTERS = /** @type {[name: string, words: string, decimals?: number][]} */ ([
  ["completionsPerMinute", "organizer.completions-per-minute"],
  ["settleLagSeconds", "organizer.settle-lag", 1],
  ["unsettled", "organizer.unsettled"],
  ["queueLength", "organizer.queued"],
  ["held", "organizer.held"],
  ["started", "organizer.open-actions"],
  ["users", "organizer.users"],
  ["suspended", "organizer.suspended"],
  ["connections", "organizer.connections-here"],
  ["boardVersion", "organizer.board-version"],
]);

function show() {
  const { stats, audit } = desk;
  if ($("engineers").open) {
    $("counters").replaceChildren(
      ...COUNTERS.map(([name, words, decimals]) => {
        const value = stats?.[name] ?? null;
        const shown = value === null ? "–" : decimals ? value.toFixed(decimals) : number(value);
        return element("div", "", element("dt", "", t(words)), element("dd", "", shown));
      }),
    );
  }
  showRows($("checks"), audit?.checks ?? [], (it) => it.name, checkItem);
}

function checkItem({ name, violations }) {
  const made = item(name, []);
  const words = violations ? t("organizer.violations", { count: violations }) : t("organizer.right");
  made.append(element("span", violations ? "bad" : "good", words));
  return made;
}

/** Keeps the numbers fresh while the fold is open. */
export function watchEngineers() {
  onDesk(show);
  $("engineers").addEventListener("toggle", show);
  $("audit").addEventListener("click", () => attend($("audit"), $("message"), check));
}
