/** What the page at /docs is made of. Everything is set as text, never as HTML. */

/** Makes an element with text or children. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Splits words for people, in which code stands between backticks. */
export function prose(text) {
  return text.split("`").map((part, i) => (i % 2 ? element("code", {}, part) : part));
}

/** Makes a table of what names stand for: `rows` are pairs of a name and the cell's children. */
export function table(caption, rows) {
  const made = element("table", {}, element("caption", {}, caption));
  for (const [name, children] of rows) {
    const header = element("th", { scope: "row" }, element("code", {}, name));
    made.append(element("tr", {}, header, element("td", {}, ...children)));
  }
  return made;
}
