/** The client of Scoreboard: `follow` a board, in browsers, Node, Deno, React Native and bundlers. */

export { follow } from "./follow.js";
export { FollowError } from "./errors.js";

/** @typedef {import("./types.js").Board} Board */
/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").ErrorEvent} ErrorEvent */
/** @typedef {import("./types.js").Following} Following */
/** @typedef {import("./types.js").Key} Key */
/** @typedef {import("./types.js").KeySet} KeySet */
/** @typedef {import("./types.js").Options} Options */
/** @typedef {import("./types.js").Own} Own */
/** @typedef {import("./types.js").OwnEvent} OwnEvent */
/** @typedef {import("./types.js").Position} Position */
/** @typedef {import("./types.js").Refusal} Refusal */
/** @typedef {import("./types.js").Retry} Retry */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Token} Token */
/** @typedef {import("./types.js").Way} Way */
