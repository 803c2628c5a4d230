/** The choice of a language, at the foot of a page. */

import { $ } from "./elements.js";
import { language, setLanguage } from "./words.js";

export function watchLanguage() {
  $("language").value = language;
  $("language").addEventListener("change", () => setLanguage($("language").value));
}
