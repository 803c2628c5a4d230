/**
 * How the page drew boards before <score-board>: each one at once, with measuring between the writing, numbers that count up
 * in every frame, and colours that fade. Kept here alone, as what the element is measured against.
 */

const $ = (id) => document.getElementById(id);
const copyOf = (id) => $(id).content.firstElementChild.cloneNode(true);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const COUNT_MS = 700;
const written = new Intl.NumberFormat("en");
const grouped = (value) => written.format(value);
const session = null;
let shown = null;
const rows = new Map();
const GLIDE = { duration: 550, easing: "cubic-bezier(.2, .8, .2, 1)" };
const MARK_MS = 6_000;
const FLASH = { duration: 2_400, easing: "ease-out" };


export function show(board) {
  const before = shown && new Map(shown.payload.map((entry) => [entry.userId, entry]));
  shown = board;
  draw(board.payload, before);
}

/**
 * Brings the rows in line with a board and lets them glide: each is put where it belongs, moved back by a transform,
 * and let go.
 * @param {Entry[]} payload
 * @param {Map<string, Entry> | null} [before] the board until now; null or none: no marks
 */
function draw(payload, before = null) {
  const tops = new Map([...rows].map(([id, row]) => [id, row.getBoundingClientRect().top]));
  for (const [id, row] of rows) {
    if (payload.some((entry) => entry.userId === id)) continue;
    row.remove();
    rows.delete(id);
  }
  const longest = Math.max(...payload.map((entry) => grouped(entry.score).length), 0);
  $("rows").parentElement.style.setProperty("--digits", String(longest));
  payload.forEach((entry, index) => {
    const row = rows.get(entry.userId) ?? copyOf("row");
    rows.set(entry.userId, row);
    // Only rows out of place are touched: to reinsert one would cut its bar's transition short.
    if ($("rows").children[index] !== row) $("rows").insertBefore(row, $("rows").children[index] ?? null);
    fillRow(row, entry);
    if (before) mark(row, entry, before.get(entry.userId));
  });
  for (const row of rows.values()) row.getAnimations().forEach((animation) => animation.cancel());
  if (before && !calm.matches && !document.hidden) for (const [id, row] of rows) glide(row, tops.get(id));
}

/** Writes an entry into a row, here or below the ten. */
function fillRow(row, { userId, username, score, rank }) {
  const best = shown?.payload[0]?.score ?? 0;
  const own = userId === session?.userId;
  row.classList.toggle("own", own);
  row.querySelector(".you").hidden = !own;
  row.querySelector(".rank").dataset.rank = rank ?? "";
  row.querySelector(".rank span").textContent = rank ?? "–";
  row.querySelector(".name").textContent = username;
  row.querySelector(".name").title = username;
  row.querySelector(".bar").style.setProperty("--share", String(best > 0 ? score / best : 0));
  countTo(row.querySelector(".score"), score);
}

function glide(row, oldTop) {
  if (oldTop === undefined) {
    row.animate([{ opacity: 0, transform: "translateX(-1.5rem)" }, { opacity: 1, transform: "none" }], GLIDE);
    return;
  }
  const distance = oldTop - row.getBoundingClientRect().top;
  if (!distance) return;
  // Who climbs passes over who falls.
  const zIndex = distance > 0 ? 1 : 0;
  row.animate([{ zIndex, transform: `translateY(${distance}px)` }, { zIndex, transform: "none" }], GLIDE);
}

/** Marks a newcomer or a climber for a few seconds. */
function mark(row, entry, old) {
  if (old && old.rank <= entry.rank) return;
  const element = row.querySelector(".mark");
  element.textContent = old ? `▲ ${old.rank - entry.rank}` : "new";
  element.getAnimations().forEach((animation) => animation.cancel());
  const shown = element.animate([{ opacity: 1 }, { opacity: 1, offset: 0.85 }, { opacity: 0 }], MARK_MS);
  shown.onfinish = () => (element.textContent = ""); // the name has the place again
  if (calm.matches) return;
  const color = getComputedStyle(row).getPropertyValue("--climb");
  for (const cell of row.cells) cell.animate([{ backgroundColor: color }], FLASH);
}

/** Counts an element's number up (or down) to its new value. */
function countTo(element, target) {
  const old = element.dataset.value;
  if (old === String(target)) return;
  element.dataset.value = target; // whoever sets another value ends this count
  const from = Number(old);
  if (old === undefined || calm.matches || document.hidden) {
    element.textContent = grouped(target);
    return;
  }
  const start = performance.now();
  const step = (now) => {
    if (element.dataset.value !== String(target)) return;
    const done = Math.min(1, Math.max(0, now - start) / COUNT_MS);
    element.textContent = grouped(Math.round(from + (target - from) * (1 - (1 - done) ** 3)));
    if (done < 1) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

