/** Numbers and durations as people read them. */

import { calm } from "./elements.js";
import { number } from "./words.js";

const COUNT_MS = 700;

/** Writes 12345 as 12,345, or as the reader's language has it. */
export const grouped = number;

/** Writes seconds roughly: "45 s", "10 min", "3 h". */
export function span(seconds) {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

/** Writes seconds as a clock does: "0:07", "1:02:03". */
export function clock(seconds) {
  const [hours, minutes, rest] = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map(Math.floor);
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Counts an element's number up (or down) to its new value. @param {(value: number) => string} write */
export function countTo(element, target, write = grouped) {
  const old = element.dataset.value;
  if (old === String(target)) return;
  element.dataset.value = target; // whoever sets another value ends this count
  const from = Number(old);
  if (old === undefined || calm.matches || document.hidden) {
    element.textContent = write(target);
    return;
  }
  const start = performance.now();
  const step = (now) => {
    if (element.dataset.value !== String(target)) return;
    const done = Math.min(1, Math.max(0, now - start) / COUNT_MS);
    element.textContent = write(Math.round(from + (target - from) * (1 - (1 - done) ** 3)));
    if (done < 1) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

/** Shows that there is no number. */
export function clearCount(element) {
  delete element.dataset.value;
  element.textContent = "–";
}
