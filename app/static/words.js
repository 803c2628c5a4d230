/**
 * The words of the page in the reader's language; numbers and times as they are written in it.
 *
 * The service writes them into its own pages (app/routes/page_words.py). On a page of somebody else, which only imports
 * an element from here, they are loaded: see `ready`.
 */

const LANGUAGES = ["en", "de", "es", "fr"];
const KEPT_SECONDS = 365 * 24 * 3_600;

const block = document.getElementById("scoreboard-words");
const own = block !== null && block.getAttribute("type") === "application/json";
const plain = (/** @type {string} */ wanted) => wanted.split("-")[0].toLowerCase();

/** @type {Record<string, string | Record<string, string>>} */
let words = own ? JSON.parse(block.textContent) : {};

/** One of the languages that there are. @type {string} */
export const language =
  [document.documentElement.lang, ...navigator.languages].map(plain).find((it) => LANGUAGES.includes(it)) || "en";

/** How the reader writes that language: en-GB has other dates than en-US. */
export const locale = navigator.languages.find((it) => plain(it) === language) || language;

/** Resolves when there are words: at once, but for a page of somebody else. */
export const ready = own ? Promise.resolve() : load();

const plurals = new Intl.PluralRules(language);
const numbers = new Intl.NumberFormat(locale);

/**
 * Returns a text in the reader's language.
 * @param {string} key such as "wall.frozen"
 * @param {Record<string, string | number>} [values] for its placeholders; numbers are written as the reader writes them;
 *   `count` chooses among plural forms
 */
export function t(key, values = {}) {
  const said = words[key];
  if (said === undefined) return own ? key : "";
  const text = typeof said === "string" ? said : said[plurals.select(Number(values.count))] || said.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? number(value) : value;
  });
}

/** Writes a number with its thousands apart. */
export const number = (/** @type {number} */ value) => numbers.format(value);

/** Writes a time: of today without the day. @param {Date} date */
export const time = (date) =>
  date.toDateString() === new Date().toDateString() ? date.toLocaleTimeString(locale) : date.toLocaleString(locale);

/** Has the pages of this service be in another language from now on. @param {string} code */
export function setLanguage(code) {
  document.cookie = `language=${code}; path=${new URL(".", location.href).pathname}; max-age=${KEPT_SECONDS}; SameSite=Lax`;
  const next = new URL(location.href);
  if (!next.searchParams.has("lang")) return location.reload();
  next.searchParams.delete("lang");
  location.replace(next.href);
}

async function load() {
  try {
    words = await (await fetch(new URL(`words/${language}.json`, import.meta.url).href)).json();
  } catch (error) {
    // Without words it still shows names and numbers.
  }
}
