/** What the lists, tables and menus of the organizer's page are made of. */

import { $, filledIn } from "../elements.js";
import { attend } from "../messages.js";
import { nameOf } from "../names.js";

/** Makes an element with a class and children. */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** A button whose work is attended to: errors are told, waits counted down; `about` completes its name for who hears it. */
export function act(label, about, work, className = "") {
  const button = element("button", className, label);
  button.type = "button";
  button.dataset.act = label;
  button.setAttribute("aria-label", about ? `${label} ${about}` : label);
  button.addEventListener("click", () => attend(button, $("message"), () => work(button)));
  return button;
}

/** An entry of a list: a title, which may be several nodes, quiet lines and buttons. */
export function item(title, lines, acts = []) {
  const made = element("li", "", element("strong", "", ...[title].flat()));
  for (const line of lines.filter(Boolean)) made.append(element("span", "quiet", line));
  if (acts.length) made.append(element("div", "acts", ...acts));
  return made;
}

/** A name as its owner wrote it: of its own direction, and never translated. */
export function bare(text, className = "") {
  const made = element("bdi", className, text);
  made.translate = false;
  return made;
}

/** Makes the elements that show a user: the name, and the username beside it where both are there. */
export function named(user) {
  const made = element("b", "", bare(nameOf(user)));
  return user.displayName == null || user.username == null ? [made] : [made, " ", bare(user.username, "username")];
}

/** A word in a coloured pill. @param {"wait" | "bad" | "soft"} tone */
export const tag = (tone, words) => element("span", `tag ${tone}`, words);

/** Has a form do its work when it is sent. @param {(values: any) => Promise<void>} work */
export function onSubmit(form, box, work) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = event.submitter ?? form.querySelector("button:not([type])");
    attend(button, box, () => work(filledIn(form)));
  });
}
