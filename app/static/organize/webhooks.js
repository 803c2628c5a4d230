/** Webhooks: other systems that are told of what happens here; made, paused, tried, deleted. */

import { call } from "../api.js";
import { $ } from "../elements.js";
import { t } from "../words.js";
import { copyField } from "./copy.js";
import { deliveriesOf } from "./deliveries.js";
import { ask } from "./dialogs.js";
import { act, bare, element, item, onSubmit, tag } from "./elements.js";
import { showRows } from "./rows.js";
import { done, wrong } from "./toast.js";

/** @typedef {{webhookId: string, url: string, events: string[], template: string | null, paused: boolean}} Webhook */

/** Shows the webhooks that there are. */
export async function loadWebhooks() {
  const { data } = await call("GET", "/admin/webhooks", { tries: 2 }).catch((error) => {
    if (error.status !== 404) throw error;
    return { data: null };
  });
  $("webhooks-card").hidden = data === null; // an older service has none
  if (!data) return;
  showRows($("webhooks"), data.items, (it) => it.webhookId, webhookItem, () => element("li", "quiet", t("organizer.none-yet")));
}

/** @param {Webhook} webhook */
function webhookItem(webhook) {
  const { url, events, template, paused } = webhook;
  const made = item([bare(url)], [[...events, template].filter(Boolean).join(", ")], [
    act(t("organizer.try"), url, () => attempt(webhook), "small"),
    act(t(paused ? "organizer.go-on" : "organizer.hold-on"), url, () => setPaused(webhook, !paused), "small"),
    act(t("organizer.new-secret"), url, () => rotate(webhook), "small"),
    act(t("organizer.delete"), url, () => remove(webhook), "small"),
  ]);
  if (paused) made.firstElementChild.append(" ", tag("wait", t("organizer.paused-tag")));
  made.append(deliveriesOf(webhook));
  return made;
}

const path = ({ webhookId }) => `/admin/webhooks/${webhookId}`;

async function attempt(webhook) {
  await call("POST", `${path(webhook)}/test`);
  done(t("organizer.test-sent", { url: webhook.url }));
}

async function setPaused(webhook, paused) {
  const patch = (value) => call("PATCH", path(webhook), { body: { paused: value } }).then(loadWebhooks);
  await patch(paused);
  done(t(paused ? "organizer.webhook-paused" : "organizer.webhook-resumed", { url: webhook.url }), () => patch(!paused));
}

/** What waits for it would be lost: this asks first. */
async function remove(webhook) {
  const body = await ask(t("organizer.delete-title", { name: webhook.url }), { about: t("organizer.delete-webhook-about"), danger: true });
  if (!body) return;
  await call("DELETE", path(webhook), { body });
  await loadWebhooks();
  done(t("organizer.deleted", { name: webhook.url }));
}

async function make({ url, template }) {
  const events = new FormData($("webhook-form")).getAll("event");
  if (!events.length) return wrong(t("organizer.choose-event"));
  const { data } = await call("POST", "/admin/webhooks", { body: { url: url.trim(), events, ...(template && { template }) } });
  $("webhook-form").reset();
  await loadWebhooks();
  show(data.secret);
}

/** Nothing brings the former secret back: this asks first. */
async function rotate(webhook) {
  const body = await ask(t("organizer.new-secret-title", { name: webhook.url }), { about: t("organizer.new-secret-about") });
  if (!body) return;
  const { data } = await call("POST", `${path(webhook)}/secret`, { body });
  show(data.secret);
}

/** @param {string} secret */
function show(secret) {
  $("new-secret").hidden = false;
  $("new-secret-itself").value = secret;
  $("new-secret-itself").focus();
  $("new-secret-itself").select();
}

/** Takes the webhooks, and a secret that was just made, off the page. */
export function forgetWebhooks() {
  $("new-secret").hidden = true;
  $("new-secret-itself").value = "";
  $("webhooks").replaceChildren();
  $("webhook-form").reset();
}

/** Makes the form work. */
export function watchWebhooks() {
  onSubmit($("webhook-form"), $("message"), make);
  $("copy-secret").addEventListener("click", () => copyField($("new-secret-itself")));
}
