/**
 * `<score-board>` for a page of somebody else, who imports it from `/score-board.js` of this service: the element with its
 * words, and its style sheet. What it shows comes from whoever calls `show`, as `follow` of `/scoreboard.js` tells it.
 */

import { ScoreBoard } from "./score-board.js";

const sheet = document.createElement("link");
sheet.rel = "stylesheet";
sheet.href = new URL("score-board.css", import.meta.url).href;
document.head.append(sheet);

export { ScoreBoard };
