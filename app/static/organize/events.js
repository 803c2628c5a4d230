/** The audit trail, and taking back what it tells of; no elements. */

import { call } from "../api.js";
import { t } from "../words.js";

const PAGE = 30;

/**
 * @typedef {object} Event
 * @property {string} eventId
 * @property {string} kind
 * @property {string} at
 * @property {string | null} userId
 * @property {string | null} username
 * @property {string | null} actionId
 * @property {number | null} points
 * @property {string | null} reason
 * @property {string} actor
 * @property {string | null} actorName
 * @property {Record<string, any>} details
 * @property {{method: string, path: string, body: Record<string, any> | null} | null} [undo] the call that takes it back
 */

/** @param {{user?: string, kind?: string}} filter @returns {Promise<{items: Event[], nextCursor: string | null}>} */
export async function readEvents({ user = "", kind = "" }, limit = PAGE, cursor = null) {
  const query = new URLSearchParams({ limit: String(limit) });
  if (user.trim()) query.set("user", user.trim());
  if (kind) query.set("kind", kind);
  if (cursor) query.set("cursor", cursor);
  return (await call("GET", `/admin/events?${query}`, { tries: 2 })).data;
}

/** Takes back what an event tells of. @param {NonNullable<Event["undo"]>} undo */
export async function takeBack({ method, path, body }) {
  await call(method, path, { body: { ...body, reason: body?.reason ?? t("organizer.undone") } });
}
