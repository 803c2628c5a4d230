/** The audit trail on the operator's page: what was done to whom, by whom and why, newest first. */

import { call } from "./api.js";
import { $ } from "./elements.js";
import { attend } from "./messages.js";
import { grouped } from "./numbers.js";
import { element, item } from "./operator-items.js";

const LIMIT = 20;
let asked = ""; // the query of the list that is shown
let next = null;

/** Shows the newest events, of the user and the kind in the form. */
export async function loadEvents() {
  const { user, kind } = Object.fromEntries(new FormData($("trail-form")));
  const query = new URLSearchParams({ limit: LIMIT });
  if (user.trim()) query.set("user", user.trim());
  if (kind) query.set("kind", kind);
  asked = query.toString();
  const items = await page(asked);
  $("trail").replaceChildren(...(items.length ? items : [element("li", "quiet", "Nothing was recorded.")]));
}

async function loadMore() {
  const query = asked;
  const items = await page(`${query}&cursor=${next}`);
  if (query === asked) $("trail").append(...items);
}

async function page(query) {
  const { data } = await call("GET", `/admin/events?${query}`, { tries: 2 });
  if (query.startsWith(asked)) next = data.nextCursor;
  $("more-trail").hidden = next === null;
  return data.items.map(eventItem);
}

function eventItem({ kind, at, userId, username, points, reason, actor, actorName, details }) {
  const whom = userId === null ? "" : `: ${username ?? "an erased user"}`;
  const what = points === null ? "" : `, ${grouped(points)} points`;
  const facts = Object.entries(details).filter(([, value]) => typeof value !== "object");
  return item(
    `${kind.replaceAll("_", " ")}${whom}${what}`,
    [
      reason ?? "No reason was given.",
      [`by ${actorName ?? actor}`, new Date(at).toLocaleString(), ...facts.map(([name, value]) => `${name} \u2068${value}\u2069`)].join(
        " · ",
      ),
    ],
    [],
  );
}

$("trail-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attend($("trail-form").querySelector("button"), $("message"), loadEvents);
});
$("more-trail").addEventListener("click", () => attend($("more-trail"), $("message"), loadMore));
