/** Calls to the service, and how they fail. */

const TIMEOUT_MS = 10_000;
const LONGEST_PAUSE_MS = 5_000;

/** A call that didn't succeed. `status` 0: no answer at all. */
export class CallError extends Error {
  constructor(status, problem = {}, retryAfter = null) {
    super(problem.detail || problem.title || `Status ${status}`);
    this.status = status;
    this.problem = problem;
    this.code = problem.code || "";
    this.retryAfter = retryAfter; // seconds
  }
}

// Of the service, which may stand below a path of its host; this module is somewhere below its /static/.
const ROOT = import.meta.url.slice(0, import.meta.url.lastIndexOf("/static/") + 1);

/** Completes a path of the service, such as `/docs`. */
export const address = (path) => new URL(path.replace(/^\//, ""), ROOT).href;

let token = null;
let tokenRefused = () => {};

/** The server's clock minus ours, in milliseconds. */
export let clockSkew = 0;

/** Presents this token with every call from now on; null for none. */
export function authorize(next) {
  token = next;
}

/** Sets what to do when the server refuses the token at hand. */
export function onTokenRefused(callback) {
  tokenRefused = callback;
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Calls the service; only what may safely run twice is given more than one try.
 * @param {string} method
 * @param {string} path
 * @param {{body?: any, headers?: Record<string, string>, tries?: number, timeout?: number}} [options] `timeout` in milliseconds
 * @returns {Promise<{status: number, headers: Headers, data: any}>}
 * @throws {CallError}
 */
export async function call(method, path, { body, headers = {}, tries = 1, timeout = TIMEOUT_MS } = {}) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await callOnce(method, path, body, headers, timeout);
    } catch (error) {
      if (attempt >= tries || ![0, 503].includes(error.status)) throw error;
      await pause(Math.min((error.retryAfter === null ? attempt : error.retryAfter) * 1000, LONGEST_PAUSE_MS) * (0.5 + Math.random()));
    }
  }
}

async function callOnce(method, path, body, headers, longest) {
  const presented = token;
  const all = { Accept: "application/json", ...headers };
  if (presented) all.Authorization = `Bearer ${presented}`;
  if (body) all["Content-Type"] = "application/json";
  const timeout = new AbortController(); // AbortSignal.timeout is younger than many a TV
  const timer = setTimeout(() => timeout.abort(), longest);
  const options = { method, headers: all, body: body && JSON.stringify(body), signal: timeout.signal };
  let response, text;
  // Nothing else belongs in here: whatever fails is taken for the network.
  try {
    response = await fetch(address(path), options);
    text = await response.text();
  } catch {
    throw new CallError(0, { detail: "The server can't be reached. Check your connection and try again.", code: "unreachable" });
  } finally {
    clearTimeout(timer);
  }
  const date = Date.parse(response.headers.get("Date") || "");
  if (date) clockSkew = date + 500 - Date.now(); // the header is cut to whole seconds
  const data = parse(text);
  if (response.ok || response.status === 304) return { status: response.status, headers: response.headers, data };
  if (response.status === 401 && presented && presented === token) tokenRefused();
  const wait = parseInt(response.headers.get("Retry-After") || "", 10);
  throw new CallError(response.status, data || {}, Number.isNaN(wait) ? null : wait);
}

/** Returns null for what is no JSON, as a proxy's error page. */
export function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
