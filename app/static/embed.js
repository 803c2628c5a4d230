/** The board on a page of somebody else: it is followed as everywhere, and says when what it shows is not live. */

import { call, pause } from "./api.js";
import { $ } from "./elements.js";
import "./score-board.js";
import { sourceOf } from "./source.js";
import { t, time } from "./words.js";

const ROWS = 10;
const RETRY_MS = 10_000;

const asked = new URLSearchParams(location.search);
const board = asked.get("board") || "all-time";
const source = sourceOf({ board });

/** Asks, until there is an answer, how the board's values are written, and what it is called. */
async function loadRule() {
  const { data, status } = await call("GET", "/boards").catch((error) => ({ data: null, status: error.status }));
  if (status === 401) return; // nor is there a board to write
  if (!data) return pause(RETRY_MS).then(loadRule);
  const rule = data.items.find((it) => it.board === board);
  if (!rule) return;
  $("board").rule = rule;
  if (data.items.length > 1) $("title").textContent = rule.title;
}

/** @param {import("./source.js").Board | null} value @param {import("./source.js").State} state */
function show(value, state) {
  if (value) $("board").show(value);
  const message = value ? (value.payload.length || value.places ? "" : t("embed.empty")) : absence(state);
  $("message").hidden = !message;
  write($("message"), message);
  $("state").dataset.state = state;
  write($("state"), stateInWords(value, state));
}

/** Why there is no board to show, if that is for good. */
function absence(state) {
  if (state !== "ended") return "";
  const { code } = source.problem || { code: "" };
  if (code === "not-found") return t("embed.no-such-board");
  return code === "unauthorized" ? t("embed.sign-in") : t("embed.ended");
}

function stateInWords(value, state) {
  const at = value ? time(new Date(value.timestamp)) : "";
  if (state === "live") return t("embed.live");
  if (state === "paused") return t("embed.paused");
  if (state === "frozen") return t("embed.frozen");
  if (state === "connecting") return t("common.loading");
  if (!value) return state === "ended" ? "" : t("embed.reconnecting");
  return t("embed.as-of", { at });
}

/** It is spoken aloud: only when it changes. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

$("board").setAttribute("rows", asked.get("rows") || String(ROWS));
source.subscribe(show);
loadRule();
