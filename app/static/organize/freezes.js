/** Freezing, revealing and thawing boards; no elements. */

import { call } from "../api.js";
import { note } from "./desk.js";

/** @typedef {import("./desk.js").Desk["boards"][number]} Freeze */

/** Asks which boards there are, and what is frozen of them. */
export async function loadFreezes() {
  note({ boards: (await call("GET", "/admin/boards", { tries: 2 })).data.items });
}

/** @param {Freeze} board @param {"freeze" | "thaw" | "reveal"} verb @param {{reason: string, at?: string, places?: number}} body */
export async function change({ board, period }, verb, body) {
  await call("POST", `/admin/boards/${encodeURIComponent(board)}/${verb}`, { body: { ...body, ...(period && { period }) } });
}

/** Freezes several: what the same actions earn on another board would be seen there. @param {Freeze[]} boards */
export async function freezeEach(boards, reason) {
  for (const board of boards) await change(board, "freeze", { reason });
}

/** Thaws those of them that are frozen. @param {Freeze[]} boards */
export async function thawEach(boards, reason) {
  for (const board of boards) await change(board, "thaw", { reason });
}

/** The board's name, and its period where it has one. @param {Freeze} board */
export const titleOf = ({ title, period }) => (period ? `${title}, ${period}` : title);
