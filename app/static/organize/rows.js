/** Lists that are refreshed without taking anything from under a hand: rows are known by a key. */

/** What each row shows, as JSON. @type {WeakMap<Element, string>} */
const shown = new WeakMap();

/**
 * Shows the items as children of the list. A row whose item is as before stays the very element it was; focus stays at
 * the same button, or goes to the next row's; a row with an open menu or question is left alone until that is closed.
 *
 * @template T
 * @param {Element} list
 * @param {T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => HTMLElement} make
 * @param {() => HTMLElement} [makeEmpty] what is there in place of no items
 */
export function showRows(list, items, keyOf, make, makeEmpty) {
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const row = focused?.closest("[data-key]");
  const place = row ? [...list.children].indexOf(row) : 0;
  const old = new Map([...list.children].map((it) => [it.getAttribute("data-key"), it]));
  const rows = items.map((item) => kept(old.get(keyOf(item)), item) ?? made(item, keyOf(item), make));
  if (!rows.length && makeEmpty) rows.push(old.get(null) ?? makeEmpty());
  rows.forEach((it, at) => it !== list.children[at] && list.insertBefore(it, list.children[at] ?? null));
  while (list.children.length > rows.length) list.lastElementChild.remove();
  if (focused && focused !== document.activeElement) restore(list, focused, row, place);
}

function kept(row, item) {
  if (!row) return null;
  return shown.get(row) === JSON.stringify(item) || row.querySelector("details[open], .reasons") ? row : null;
}

function made(item, key, make) {
  const row = make(item);
  row.dataset.key = key;
  shown.set(row, JSON.stringify(item));
  return row;
}

/** Puts the focus back: to the same element, to its successor, or to a neighbour's. */
function restore(list, focused, row, place) {
  if (focused.isConnected) return focused.focus();
  const same = [...list.children].find((it) => it.dataset.key === row?.dataset.key);
  const near = same ?? list.children[Math.min(place, list.children.length - 1)];
  const label = focused.dataset.act;
  const buttons = [...(near?.querySelectorAll("button, summary") ?? [])];
  const next = buttons.find((it) => it.dataset.act === label) ?? buttons[0];
  (next ?? list.closest("section")?.querySelector("h2"))?.focus();
}
