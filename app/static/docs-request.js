/** A call that is tried: as a request, and as a line for a shell. */

import { address } from "./api.js";

const TIMEOUT_MS = 20_000;
const LONGEST_SHOWN = 100_000; // characters of an answer's body

/** Returns the address of a path with its parameters filled in, and with those of the query that are given. */
export function addressOf(path, inPath, inQuery) {
  const filled = path.replace(/{(\w+)}/g, (_, name) => encodeURIComponent(inPath[name]) || `{${name}}`);
  const query = new URLSearchParams(Object.entries(inQuery).filter(([, value]) => value !== ""));
  return address(filled) + (String(query) && `?${query}`);
}

/** Writes a request as a line that a shell runs. */
export function curl({ method, url, headers, body }) {
  const parts = ["curl", "--include"];
  if (method === "HEAD" || method !== (body === undefined ? "GET" : "POST")) parts.push("--request", method);
  for (const [name, value] of Object.entries(headers)) parts.push("--header", quoted(`${name}: ${value}`));
  if (body !== undefined) parts.push("--data-raw", quoted(body));
  return [...parts, quoted(url)].join(" ");
}

/** Quotes text for a shell, in which nothing else has a meaning. */
function quoted(text) {
  return `'${text.replace(/'/g, "'\\''")}'`;
}

/**
 * Sends a request.
 * @returns {Promise<{status: string, headers: [string, string][], body: string}>} as text; rejects without an answer
 */
export async function send({ method, url, headers, body }) {
  const timeout = new AbortController(); // AbortSignal.timeout is younger than many a browser
  const timer = setTimeout(() => timeout.abort(), TIMEOUT_MS);
  try {
    const answer = await fetch(url, { method, headers, body, cache: "no-store", signal: timeout.signal });
    const text = await textOf(answer);
    const status = `${answer.status} ${answer.statusText}`.trim();
    return { status, headers: [...answer.headers].filter(([name]) => matters(name)), body: readable(text) };
  } finally {
    clearTimeout(timer);
  }
}

/** Returns the body; of a stream, which has no end, what comes first. */
async function textOf(answer) {
  if (answer.headers.get("content-type") !== "text/event-stream") return answer.text();
  const reader = answer.body.getReader();
  const { value } = await reader.read();
  reader.cancel();
  return `${new TextDecoder().decode(value)}… and so on`;
}

function matters(name) {
  return !/^(server|date|connection|content-length|content-security-policy|referrer-policy|x-content-type-options)$/.test(name);
}

function readable(text) {
  let shown = text;
  try {
    shown = JSON.stringify(JSON.parse(text), null, 2);
  } catch {} // no JSON
  return shown.length > LONGEST_SHOWN ? `${shown.slice(0, LONGEST_SHOWN)}\n… and more` : shown;
}
