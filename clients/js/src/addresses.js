/** Addresses, as text: React Native's URL can't be changed, and its WebSocket takes nothing else. */

export const DEFAULT_BOARD = "all-time";

/**
 * Return the service's address without a slash at its end. Relative ones are completed where there is a page.
 * @param {string | URL} url
 */
export function baseOf(url) {
  const text = absolute(String(url)).replace(/^ws/i, "http");
  return text.replace(/[?#].*$/, "").replace(/\/+$/, "");
}

/** @param {string} url */
export function absolute(url) {
  if (/^\w[\w+.-]*:/.test(url)) return url;
  if (!globalThis.location) throw new TypeError("Give the whole address of the service, such as https://scores.example");
  return new URL(url, globalThis.location.href).href;
}

/**
 * Return a path of the service with its query.
 * @param {string} base @param {string} path @param {{[name: string]: string | undefined}} query
 */
export function address(base, path, query) {
  const members = Object.entries(query).filter(([, value]) => value !== undefined);
  const text = members.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join("&");
  return base + path + (text && `?${text}`);
}

/** The board, as a query names it: the default one goes without saying. @param {string} board */
export const boardInQuery = (board) => (board === DEFAULT_BOARD ? undefined : board);
