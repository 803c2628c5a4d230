/** Messages that come in as text, read and verified one after the other. */

import { FollowError } from "./errors.js";

const LONGEST_QUEUE = 64; // messages that wait for their signature to be verified
const UNPOSITIONED = ["own_scores", "refused"];

/**
 * Return the function that takes a connection's messages as text.
 * @param {{fault: (message: any) => Promise<string | undefined>} | null} verifier
 * @param {(message: any) => void} take
 * @param {(error: FollowError) => void} drop told of what is no message, or isn't signed
 */
export function inbox(verifier, take, drop) {
  /** @type {string[]} */ const queue = [];
  let busy = false;

  return async (/** @type {string} */ text) => {
    queue.push(text);
    if (queue.length > LONGEST_QUEUE) queue.shift(); // a newer board stands behind it
    if (busy) return;
    busy = true;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const message = parse(next);
      const code = !message ? "unreadable" : verifier ? await verifier.fault(message) : undefined;
      if (code) drop(new FollowError(`A message was dropped: ${code}.`, { code }));
      else take(message);
    }
    busy = false;
  };
}

/** @param {string} text */
function parse(text) {
  try {
    const message = JSON.parse(text);
    const positioned = message && typeof message.epoch === "string" && Number.isInteger(message.version);
    return positioned || (message && UNPOSITIONED.includes(message.type)) ? message : null;
  } catch {
    return null;
  }
}
