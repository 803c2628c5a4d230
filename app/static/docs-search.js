/** The search: shows the operations that have all of the words. */

import { $ } from "./elements.js";

/** Lets the field filter what is on the page. */
export function offerSearch() {
  const operations = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("section.operation"))].map((section) => ({
    section,
    link: document.querySelector(`nav a[href="#${section.id}"]`).parentElement,
    text: [section.id, ...section.querySelectorAll("h3, .signature, .about")].map((it) => (typeof it === "string" ? it : it.textContent)).join(" ").toLowerCase(),
  }));
  $("search").parentElement.hidden = false;
  $("search").addEventListener("input", () => {
    const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const { section, link, text } of operations) {
      section.hidden = link.hidden = !words.every((word) => text.includes(word));
      found += section.hidden ? 0 : 1;
    }
    for (const group of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".group"))) {
      group.hidden = !group.querySelector("section.operation:not([hidden]), li:not([hidden])");
    }
    $("found").textContent = words.length ? `${found} of ${operations.length} operations` : "";
  });
}
