/** What waits for a decision, as the service has it: held actions by player. No elements. */

import { call } from "../api.js";

/**
 * @typedef {object} HeldPlayer
 * @property {string} userId
 * @property {string | null} username
 * @property {string | null} [displayName]
 * @property {number} points
 * @property {number} held how many actions in all; `actions` are the newest of them
 * @property {{actionId: string, type: string, score: number, endAt: string}[]} actions
 * @property {string | null} rule
 * @property {string | null} reason
 * @property {"completions" | "points" | null} [measure] what is counted in a minute
 * @property {number | null} saw
 * @property {number | null} limit
 * @property {number | null} usual
 * @property {string | null} [address] that several accounts share
 */

/** @returns {Promise<{items: HeldPlayer[], nextCursor: string | null}>} */
export async function heldPlayers(cursor = null) {
  const query = new URLSearchParams({ limit: "20", ...(cursor && { cursor }) });
  return (await call("GET", `/admin/held-players?${query}`, { tries: 2 })).data;
}

/**
 * Decides about actions at once.
 *
 * @param {"release" | "reverse" | "hold"} decision
 * @param {string[]} actionIds
 * @param {string} [reason]
 * @returns {Promise<{items: {actionId: string}[], skipped: {actionId: string, detail: string}[]}>}
 */
export async function decide(decision, actionIds, reason) {
  const body = { decision, actionIds, ...(reason && { reason }) };
  return (await call("POST", "/admin/actions/decisions", { body })).data;
}

/** Trusts the network from now on: its address isn't held against anybody. @returns {Promise<{id: string, cidr: string}>} */
export async function trust(cidr, reason, expiresIn = null) {
  return (await call("POST", "/admin/networks", { body: { cidr, reason, ...(expiresIn && { expiresIn }) } })).data;
}

/** No longer trusts it. */
export async function distrust(id, reason) {
  await call("DELETE", `/admin/networks/${id}`, { body: { reason } });
}
