/** What the operator's lists are made of. */

import { $ } from "./elements.js";
import { attend } from "./messages.js";

/** Makes an element with a class and children. */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

/** A button whose work is attended to: errors are told, waits counted down. */
export function act(label, about, work) {
  const button = element("button", "", label);
  button.type = "button";
  button.setAttribute("aria-label", `${label} ${about}`);
  button.addEventListener("click", () => attend(button, $("message"), work));
  return button;
}

/** An entry of a list: a title, which may be several nodes, quiet lines and buttons. */
export function item(title, lines, acts) {
  const made = element("li", "", element("strong", "", ...[title].flat()));
  for (const line of lines) made.append(element("span", "quiet", line));
  if (acts.length) made.append(element("div", "acts", ...acts));
  return made;
}
