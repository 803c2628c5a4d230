/** Tables for a spreadsheet, made here from what the service answers, page by page. */

import { call } from "../api.js";
import { $ } from "../elements.js";
import { attend } from "../messages.js";
import { t } from "../words.js";
import { readEvents } from "./events.js";
import { done } from "./toast.js";

const MOST = 10_000; // rows; `bin/manage export` has no bound
const PAGE = 100;

/** Saves the places of a board, or of one of its periods. @param {string} board @param {string} [period] */
export async function saveStandings(board, period) {
  const rows = await all((cursor) => get(`/boards/${encodeURIComponent(board)}/standings`, { ...(period && { period }), ...cursor }));
  save(`${[board, period].filter(Boolean).join("-")}.csv`, ["rank", "username", "displayName", "score", "userId"], rows);
}

async function savePlayers() {
  const rows = await all((cursor) => get("/admin/players", { sort: "points", ...cursor }));
  save("players.csv", ["rank", "username", "displayName", "email", "role", "status", "hidden", "totalScore", "createdAt", "lastSeenAt", "userId"], rows);
}

async function saveActivity() {
  const rows = await all(({ cursor }) => readEvents({}, PAGE, cursor));
  save("activity.csv", ["at", "kind", "username", "points", "reason", "actorName", "actor", "eventId"], rows);
}

async function get(path, query) {
  return (await call("GET", `${path}?${new URLSearchParams({ limit: String(PAGE), ...query })}`, { tries: 3 })).data;
}

async function all(read) {
  const rows = [];
  let cursor;
  do {
    const { items, nextCursor } = await read(cursor ? { cursor } : {});
    rows.push(...items);
    cursor = nextCursor;
  } while (cursor && rows.length < MOST);
  return rows;
}

function save(name, columns, rows) {
  const lines = [columns, ...rows.map((row) => columns.map((column) => row[column]))].map((line) => line.map(cell).join(","));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", lines.join("\r\n"), "\r\n"], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  done(t(rows.length < MOST ? "organizer.saved" : "organizer.saved-some", { count: rows.length, name }));
}

/** A value as one cell; one that a spreadsheet would take for a formula is kept as text. */
export function cell(value) {
  if (value == null) return "";
  const text = typeof value === "string" && /^[=+\-@\t\r\n＝＋－＠]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Makes the buttons work. */
export function watchExport() {
  for (const [id, work] of Object.entries({ "save-standings": () => saveStandings("all-time"), "save-players": savePlayers, "save-activity": saveActivity })) {
    $(id).addEventListener("click", () => attend($(id), $("message"), work));
  }
}
