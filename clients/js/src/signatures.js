/** Verifies the service's signatures: Ed25519 over the canonical form of a message. */

import { absolute } from "./addresses.js";
import { timeout } from "./timing.js";

const KEYS_TIMEOUT_MS = 5_000;
const KEYS_EVERY_MS = 10_000; // besides once a connection

/**
 * Write a JSON value in its canonical form (RFC 8785).
 * @param {unknown} value
 * @returns {string}
 */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)); // by UTF-16 units, as the RFC has it
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}

/**
 * Return what verifies messages: an HMAC can't be, since whoever could verify it could forge it as well.
 * @param {true | string | URL | import("./types.js").KeySet} keys
 * @param {string} base
 * @param {import("./types.js").Fetch} fetch
 */
export function verifierWith(keys, base, fetch) {
  const subtle = globalThis.crypto && globalThis.crypto.subtle;
  if (!subtle) throw new TypeError("Signatures can be verified by pages of https: or localhost only.");
  const named = keys === true ? `${base}/.well-known/jwks.json` : keys;
  const source = typeof named === "string" || named instanceof URL ? absolute(String(named)) : null;
  /** @type {Map<string | undefined, CryptoKey> | null} */ let known = null;
  let fetchedAt = -Infinity;

  async function load() {
    let set = /** @type {any} */ (named);
    if (source) {
      fetchedAt = Date.now();
      const { signal, over } = timeout(KEYS_TIMEOUT_MS);
      try {
        set = await (await fetch(source, { cache: "no-cache", signal })).json();
      } finally {
        over();
      }
    }
    /** @type {typeof known} */ const fresh = new Map();
    for (const { kid, kty, crv, x } of set.keys) {
      if (kty !== "OKP" || crv !== "Ed25519") continue;
      fresh.set(kid, await subtle.importKey("jwk", { kty, crv, x }, "Ed25519", false, ["verify"]));
    }
    known = fresh;
  }

  /** @param {string} id */
  async function keyOf(id) {
    const mayLoad = source ? Math.abs(Date.now() - fetchedAt) >= KEYS_EVERY_MS : !known;
    if (!(known && known.has(id)) && mayLoad) await load().catch(() => {}); // what was known stays so
    return known ? known.get(id) : undefined;
  }

  /**
   * Return what is wrong with a message, or undefined.
   * @param {any} message
   */
  async function fault({ signature, ...message }) {
    if (!signature || typeof signature.value !== "string") return "unsigned";
    const key = signature.alg === "EdDSA" && (await keyOf(signature.keyId));
    if (!key) return "unknown-key";
    try {
      const bytes = Uint8Array.from(atob(signature.value), (char) => char.charCodeAt(0));
      const form = new TextEncoder().encode(canonical(message));
      if (await subtle.verify("Ed25519", key, bytes, form)) return undefined;
    } catch {} // not base64
    return "wrong-signature";
  }

  return { fault, allowFetch: () => void (fetchedAt = -Infinity) };
}
