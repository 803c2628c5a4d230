/** What an organizer does to everybody: freeze, pause, show how to join, give points. */

import { call } from "../api.js";
import { $ } from "../elements.js";
import { attend } from "../messages.js";
import { t } from "../words.js";
import { broadcasting, desk, note, onDesk } from "./desk.js";
import { freezeEach, thawEach } from "./freezes.js";
import { givePoints } from "./give-points.js";
import { askReason } from "./reasons.js";
import { goTo } from "./sections.js";
import { showJoin } from "./join-screen.js";
import { clockOf } from "./times.js";
import { done } from "./toast.js";

const open = () => desk.boards.filter(({ frozen }) => !frozen);

function show() {
  const [frozen, count] = [desk.boards.filter((it) => it.frozen), desk.boards.length];
  const still = count > 0 && open().length === 0;
  dress("lever-freeze", still, still ? t("organizer.frozen-since", { at: clockOf(frozen[0].frozenFrom) }) : t("organizer.freeze-boards", { count: Math.max(1, open().length) }),
    t(still ? "organizer.frozen-about" : "organizer.freeze-about"));
  const running = broadcasting();
  dress("lever-pause", !running, t(running ? "organizer.pause" : "organizer.resume"), t(running ? "organizer.pause-about" : "organizer.resume-about"));
}

function dress(id, on, title, about) {
  const [bold, quiet] = [$(id).querySelector("b"), $(id).querySelector("span")];
  if (bold.textContent !== title) bold.textContent = title;
  if (quiet.textContent !== about) quiet.textContent = about;
  $(id).classList.toggle("on", on);
}

/** Freezes what is not frozen; a frozen board is revealed and thawed under "Boards", step by step. */
function freeze() {
  const boards = open();
  if (!boards.length) return goTo("boards");
  askReason($("lever-question"), "freeze", t("organizer.why-freeze", { count: boards.length }), async (reason) => {
    await freezeEach(boards, reason);
    done(t("organizer.boards-frozen", { count: boards.length }), () => thawEach(boards, t("organizer.undone")));
  }, $("lever-freeze"));
}

/** Loads whether updates go out. */
export async function loadFlags() {
  note({ flags: (await call("GET", "/admin/flags", { tries: 2 })).data.items });
}

/** Switches something on or off, with a way back. */
export async function setFlag(name, enabled) {
  const put = (value) => call("PUT", `/admin/flags/${name}`, { body: { enabled: value } });
  await put(enabled);
  await loadFlags();
  done(t(enabled ? "organizer.resumed" : "organizer.paused"), async () => {
    await put(!enabled);
    await loadFlags();
  });
}

/** Makes the levers work. */
export function watchLevers() {
  onDesk(show);
  $("lever-freeze").addEventListener("click", freeze);
  $("lever-pause").addEventListener("click", () => attend($("lever-pause"), $("message"), () => setFlag("broadcast", !broadcasting())));
  $("lever-join").addEventListener("click", () => attend($("lever-join"), $("message"), showJoin));
  $("lever-give").addEventListener("click", () => attend($("lever-give"), $("message"), () => givePoints([])));
}
