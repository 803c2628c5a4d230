/** Finding a player on the board by how the name begins. */

import { seek } from "./around.js";
import { call } from "./api.js";
import { look } from "./board.js";
import { pathOf } from "./board-paths.js";
import { $, copyOf } from "./elements.js";
import { namesOf } from "./names.js";
import { written } from "./values.js";
import { t } from "./words.js";

const PAUSE_MS = 300; // between two letters of one who goes on typing

/** @typedef {import("./scoreboard.js").Entry} Entry */

let timer;
let asked = 0; // an answer to what was typed before is left

/** Forgets what was found, on another board for instance. */
export function forgetFound() {
  clearTimeout(timer);
  asked += 1;
  show("", []);
}

async function find() {
  clearTimeout(timer);
  const mine = ++asked;
  const name = $("find").name.value.trim();
  if (!name) return show("", []);
  const { data, error } = await call("GET", pathOf("players", { name })).then(
    ({ data }) => ({ data, error: null }),
    (error) => ({ data: null, error }),
  );
  if (mine !== asked) return;
  if (!data) return show(error.message, []);
  const count = data.items.length;
  show(count ? t("board.players-found", { count }) : t("player.nobody-called-so"), data.items);
}

/** @param {string} text @param {Entry[]} players */
function show(text, players) {
  $("find-message").textContent = text;
  $("found").replaceChildren(...players.map(choice));
}

/** @param {Entry} player */
function choice(player) {
  const item = copyOf("find-one");
  item.querySelector(".found-rank").textContent = player.rank;
  item.querySelector(".found-name").append(...namesOf(player));
  item.querySelector(".found-score").textContent = written(player.score, look().rule.unit);
  item.firstElementChild.addEventListener("click", () => {
    $("find").reset();
    forgetFound();
    seek(player);
  });
  return item;
}

export function watchFind() {
  $("find").addEventListener("submit", (event) => {
    event.preventDefault();
    find();
  });
  $("find").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(find, PAUSE_MS);
  });
}
