/** What the service says of itself, so that the page offers only what works. */

import { call, pause } from "./api.js";

const RETRY_MS = 5_000;

/**
 * @typedef {{name: string, version: string, registration: "open" | "code" | "closed", passwordLogin: boolean,
 *   issuers: {id: string, title: string}[], topScoresAuth: "optional" | "required", askEmail: boolean,
 *   url?: string}} About
 */

/** Asks until there is an answer. @returns {Promise<About>} */
export async function loadAbout() {
  for (;;) {
    try {
      return (await call("GET", "/about")).data;
    } catch {
      await pause(RETRY_MS);
    }
  }
}
