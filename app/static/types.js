/** The types of actions, with the rules that the server scores them by. */

import { call } from "./api.js";
import { $, copyOf } from "./elements.js";
import { grouped, span } from "./numbers.js";

/** @typedef {{type?: string, points?: number, minSeconds?: number, maxSeconds?: number, perDay?: number}} Rules */

/** @type {Map<string, Rules>} */
let types = new Map([["default", {}]]);

/** @returns {Rules} */
export const rulesOf = (type) => types.get(type) ?? {};

export const chosenType = () => new FormData($("start")).get("type") ?? "default";

/** Asks for the types and offers them; without an answer there is the default one, without its rules. */
export async function loadTypes() {
  const { data } = await call("GET", "/action-types", { tries: 2 }).catch(() => ({ data: null }));
  // What has a value is measured: a server reports it, and nobody enters it here.
  const offered = data?.types.filter((rules) => !rules.value) ?? [];
  types = new Map(offered.length > 0 ? offered.map((rules) => [rules.type, rules]) : [["default", {}]]);
  const chosen = types.has(chosenType()) ? chosenType() : [...types.keys()][0];
  $("types").replaceChildren(...[...types].map(([name, rules]) => choice(name, rules, name === chosen)));
}

function choice(name, rules, checked) {
  const label = copyOf("type");
  const radio = label.querySelector("input");
  radio.value = name;
  radio.checked = checked;
  label.querySelector(".type-name").textContent = name;
  label.querySelector(".type-points").textContent = rules.points === undefined ? "" : `+${grouped(rules.points)}`;
  label.querySelector(".type-rules").textContent = describe(rules);
  return label;
}

function describe({ minSeconds, maxSeconds, perDay }) {
  const parts = [];
  if (minSeconds) parts.push(`at least ${span(minSeconds)}`);
  if (maxSeconds) parts.push(`within ${span(maxSeconds)}`);
  if (perDay) parts.push(`${perDay} a day`);
  return parts.map((part) => part.replaceAll(" ", "\u00a0")).join(" · "); // each part stays on its line
}
