/** The types of actions, with the rules that the server scores them by. */

import { call } from "./api.js";
import { span } from "./numbers.js";
import { t } from "./words.js";

/**
 * @typedef {{type?: string, title?: string, points?: number, minSeconds?: number, maxSeconds?: number | null,
 *   perDay?: number | null, value?: object}} Rules
 */

/** @type {Map<string, Rules>} */
let types = new Map([["default", {}]]);

/** @returns {Rules} */
export const rulesOf = (type) => types.get(type) ?? {};

/** What people read of a type. */
export const titleOf = (type) => rulesOf(type).title ?? type;

/** Those that are offered, by their names. */
export const offered = () => [...types.keys()];

/** Asks for the types; without an answer there is the default one, without its rules. */
export async function askForTypes() {
  const { data } = await call("GET", "/action-types", { tries: 2 }).catch(() => ({ data: null }));
  // What has a value is measured: a server reports it, and nobody enters it here.
  const all = data?.types.filter((rules) => !rules.value) ?? [];
  types = new Map(all.length > 0 ? all.map((rules) => [rules.type, rules]) : [["default", {}]]);
}

/** Says what the rules of a type are, beside its points. @param {Rules} rules */
export function describe({ minSeconds, maxSeconds, perDay }) {
  const parts = [];
  if (minSeconds) parts.push(t("player.at-least", { time: span(minSeconds) }));
  if (maxSeconds) parts.push(t("player.within", { time: span(maxSeconds) }));
  if (perDay) parts.push(t("player.a-day", { count: perDay }));
  return parts.map((part) => part.replace(/ /g, "\u00a0")).join(" · "); // each part stays on its line
}
