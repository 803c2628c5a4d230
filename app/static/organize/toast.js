/** What was just done, at the foot of the page, with a way back. */

import { $ } from "../elements.js";
import { say } from "../messages.js";
import { t } from "../words.js";
import { act } from "./elements.js";
import { refresh } from "./pulse.js";

const STAYS_MS = 15_000;
let timer;

/**
 * Says what was done, and has the page look again.
 *
 * @param {string} words
 * @param {(() => Promise<unknown>) | null} [undo] what takes it back
 * @param {string} [label] of the button, if it is more than "Undo"
 */
export function done(words, undo = null, label = t("organizer.undo")) {
  clearTimeout(timer);
  const back = undo && act(label, words, async () => {
    await undo();
    done(t("organizer.undone"));
  });
  // After the work that it tells of: whoever attends to that clears the box first, and writes to it last.
  say($("message"), [words, back], "good");
  timer = setTimeout(fade, STAYS_MS);
  refresh();
}

/** Takes a good message away, but not from under a hand. */
function fade() {
  const box = $("message");
  if (box.dataset.tone !== "good") return;
  if (box.matches(":hover, :focus-within")) timer = setTimeout(fade, STAYS_MS);
  else say(box, "");
}

/** Says that something is wrong with what was asked for; it stays. */
export function wrong(words) {
  clearTimeout(timer);
  say($("message"), words, "bad");
}
