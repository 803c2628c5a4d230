/** Sentences in which names and numbers are elements: the words around them come from the language's file. */

import { t } from "../words.js";

const [OPEN, CLOSE] = ["\u0001", "\u0002"]; // in no name: the service takes no control characters

/**
 * Writes a sentence whose placeholders may be elements.
 *
 * @param {string} key
 * @param {Record<string, any>} values text, numbers, or elements, which stay elements
 * @returns {(string | Node)[]}
 */
export function phrase(key, values) {
  /** @type {Record<string, string | number>} */ const plain = {};
  for (const [name, value] of Object.entries(values)) plain[name] = value instanceof Node ? OPEN + name + CLOSE : value;
  return t(key, plain)
    .split(/(\u0001[^\u0002]*\u0002)/)
    .filter(Boolean)
    .map((part) => (part.startsWith(OPEN) ? values[part.slice(1, -1)] : part));
}
