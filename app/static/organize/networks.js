/** Trusted networks: a classroom or a hall behind one address, whose players aren't held against one another. */

import { call } from "../api.js";
import { $ } from "../elements.js";
import { t } from "../words.js";
import { act, bare, element, item, onSubmit } from "./elements.js";
import { distrust, trust } from "./held.js";
import { showRows } from "./rows.js";
import { clockOf } from "./times.js";
import { done } from "./toast.js";

/** Shows the networks that are trusted, and the one that this request comes from. */
export async function loadNetworks() {
  const { data } = await call("GET", "/admin/networks", { tries: 2 });
  const configured = data.configured.map((cidr) => ({ id: null, cidr }));
  showRows($("networks"), [...data.items, ...configured], (it) => it.id ?? it.cidr, networkItem, () => element("li", "quiet", t("organizer.none-yet")));
  $("own-network").hidden = !data.yours || data.yours.trusted;
  $("own-network").dataset.cidr = data.yours?.cidr ?? "";
  $("own-network-about").textContent = data.yours ? t("organizer.your-address", { address: data.yours.address }) : "";
}

function networkItem({ id, cidr, reason, expiresAt }) {
  if (!id) return item([bare(cidr)], [t("organizer.by-setting")]);
  const until = expiresAt ? t("organizer.until", { at: clockOf(expiresAt) }) : t("organizer.for-good");
  return item([bare(cidr)], [`${reason} · ${until}`], [act(t("organizer.remove"), cidr, () => remove({ id, cidr, reason, expiresAt }))]);
}

async function remove({ id, cidr, reason, expiresAt }) {
  await distrust(id, t("organizer.no-longer-needed"));
  await loadNetworks();
  const left = expiresAt && Math.max(60, Math.round((new Date(expiresAt).getTime() - Date.now()) / 1000));
  done(t("organizer.network-removed", { cidr }), async () => {
    await trust(cidr, reason, left);
    await loadNetworks();
  });
}

async function add({ cidr, reason, expires }) {
  const made = await trust(cidr.trim(), reason.trim(), Number(expires) || null);
  $("network-form").reset();
  await loadNetworks();
  done(t("organizer.address-trusted", { cidr: made.cidr }), async () => {
    await distrust(made.id, t("organizer.undone"));
    await loadNetworks();
  });
}

/** Takes the networks off the page. */
export function forgetNetworks() {
  $("networks").replaceChildren();
  $("network-form").reset();
}

/** Makes the form work. */
export function watchNetworks() {
  onSubmit($("network-form"), $("message"), add);
  $("own-network").addEventListener("click", () => {
    $("network-form").cidr.value = $("own-network").dataset.cidr;
    $("network-form").reason.focus();
  });
}
