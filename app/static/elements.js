/** The page's elements, and copies of its templates. */

/** @param {string} id @returns {any} the element, whose type the markup next door tells */
export const $ = (id) => document.getElementById(id);

/** @param {string} id @returns {any} a new element, made as the template says */
export const copyOf = (id) => $(id).content.firstElementChild.cloneNode(true);

/** What a form is filled in with, by the names of its fields. @param {HTMLFormElement} form @returns {Record<string, string>} */
export const filledIn = (form) => /** @type {any} */ (Object.fromEntries(new FormData(form)));

/** Whether its owner asked for little movement: `calm.matches`. */
export const calm = matchMedia("(prefers-reduced-motion: reduce)");
