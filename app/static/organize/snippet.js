/** What one pastes into another page, or into OBS, to have a board there. */

import { address } from "../api.js";
import { $, filledIn } from "../elements.js";
import { attend } from "../messages.js";
import { copyField } from "./copy.js";
import { desk, onDesk } from "./desk.js";

const [ROW_PX, WIDTH_PX] = [44, 480];

function write() {
  const { board, rows, theme, transparent } = filledIn($("snippet-form"));
  if (!board) return;
  const query = new URLSearchParams({ board, rows, ...(theme !== "auto" && { theme }), ...(transparent && { transparent: "1" }) });
  const url = address(`/embed?${query}`);
  const title = $("service-name").textContent;
  $("snippet-url").value = url;
  $("snippet").value = `<iframe src="${escaped(url)}" title="${escaped(title)}" width="${WIDTH_PX}" height="${ROW_PX * Number(rows)}" style="border: 0" loading="lazy"></iframe>`;
  $("snippet-open").href = url;
}

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

function offerBoards() {
  const { board } = $("snippet-form");
  const ids = [...new Map(desk.boards.map((it) => [it.board, it.title]))];
  if ([...board.options].map((it) => it.value).join() === ids.map(([id]) => id).join()) return;
  board.replaceChildren(...ids.map(([id, title]) => new Option(title, id)));
  write();
}

/** Writes the snippet as it is chosen. */
export function watchSnippet() {
  onDesk(offerBoards);
  $("snippet-form").addEventListener("input", write);
  $("snippet-form").addEventListener("submit", (event) => event.preventDefault());
  for (const [button, field] of [["copy-snippet", "snippet"], ["copy-snippet-url", "snippet-url"]]) {
    $(button).addEventListener("click", () => attend($(button), $("message"), () => copyField($(field))));
  }
}
