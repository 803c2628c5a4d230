/** Joins the modules of src/ into one file to copy, and what tsc says of their types into another. */

import { dts } from "rollup-plugin-dts";

const banner = `/**
 * The client of Scoreboard, in one file without dependencies: copy it, import it from any service at /scoreboard.js, or
 * install it. How to use it: clients/js/README.md. Made from clients/js/src by bin/client.
 *
 *     import { follow } from "/scoreboard.js";
 *     follow("/").subscribe((board, state) => draw(board, state));
 */`;

/** In one file nothing is imported, in comments neither. */
const plainComments = {
  name: "plain-comments",
  renderChunk: (code) => code.replace(/import\("\.\/[\w-]+\.js"\)\./g, "").replace(/^\/\*\* @typedef .*\*\/\n/gm, ""),
};

export default [
  { input: "src/index.js", output: { file: "scoreboard.js", banner }, plugins: [plainComments] },
  { input: "types/index.d.ts", output: { file: "scoreboard.d.ts" }, plugins: [dts()] },
];
