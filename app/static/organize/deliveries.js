/** What was sent to a webhook lately, and what could not be: in a fold, each to be sent again. */

import { call } from "../api.js";
import { $ } from "../elements.js";
import { attend } from "../messages.js";
import { t } from "../words.js";
import { act, element, item } from "./elements.js";
import { clockOf } from "./times.js";
import { done } from "./toast.js";

const LIMIT = 20;

/** @param {{webhookId: string, url: string}} webhook @returns {HTMLElement} */
export function deliveriesOf(webhook) {
  const list = element("ul", "list plain");
  const fold = element("details", "", element("summary", "", t("organizer.deliveries")), list);
  fold.addEventListener("toggle", () => fold.open && attend(fold, $("message"), () => load(webhook, list)));
  return fold;
}

async function load(webhook, list) {
  const { data } = await call("GET", `/admin/webhooks/${webhook.webhookId}/deliveries?limit=${LIMIT}`, { tries: 2 });
  const items = data.items.map((it) => deliveryItem(webhook, list, it));
  list.replaceChildren(...(items.length ? items : [element("li", "quiet", t("organizer.none-yet"))]));
}

function deliveryItem(webhook, list, { deliveryId, event, status, createdAt, attempts, lastError }) {
  const repeat = async () => {
    await call("POST", `/admin/webhooks/${webhook.webhookId}/deliveries/${deliveryId}/repeat`);
    await load(webhook, list);
    done(t("organizer.sent-again", { event }));
  };
  const facts = [clockOf(createdAt), status, t("organizer.attempts", { count: attempts }), lastError].filter(Boolean);
  return item(event, [facts.join(" · ")], [act(t("organizer.send-again"), `${event}, ${clockOf(createdAt)}`, repeat, "link")]);
}
