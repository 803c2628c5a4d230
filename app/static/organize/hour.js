/** The last hour, minute by minute, as the service has it. */

import { call } from "../api.js";
import { $ } from "../elements.js";
import { number, t } from "../words.js";
import { element } from "./elements.js";
import { beat } from "./pulse.js";
import { isUp } from "./sections.js";
import { clockOf } from "./times.js";

const EVERY_MS = 20_000;
const LEAST = 3; // percent: a minute without anything is a line, not a gap

async function load() {
  const { data } = await call("GET", "/admin/activity?minutes=60", { tries: 2 });
  show(data);
}

/** @param {{players: number, points: number, listeners: number | null, minutes: {at: string, completions: number, more?: boolean}[]}} hour */
function show({ players, points, listeners, minutes }) {
  $("hour-players").textContent = number(players);
  $("hour-points").textContent = number(points);
  $("hour-listeners").textContent = listeners == null ? "–" : number(listeners);
  const most = Math.max(1, ...minutes.map((it) => it.completions));
  const peak = minutes.find((it) => it.completions === most);
  $("hour").replaceChildren(
    ...minutes.map((it) => {
      const bar = element("i", it === peak ? "peak" : "");
      bar.style.setProperty("--h", `${Math.max(LEAST, (100 * it.completions) / most).toFixed(1)}%`);
      return bar;
    }),
  );
  const words = peak ? t("organizer.hour-most", { count: peak.completions, at: clockOf(peak.at) }) : t("organizer.hour-none");
  $("hour").setAttribute("aria-label", `${t("organizer.hour-label")}: ${words}`);
  $("hour-peak").textContent = words;
  $("hour-from").textContent = minutes.length ? clockOf(minutes[0].at) : "";
  $("hour-until").textContent = minutes.length ? clockOf(minutes[minutes.length - 1].at) : "";
}

/** Takes the figures off the page. */
export function forgetHour() {
  $("hour").replaceChildren();
  for (const id of ["hour-players", "hour-points", "hour-listeners"]) $(id).textContent = "–";
}

/** Follows the hour while it is looked at. */
export function watchHour() {
  beat(EVERY_MS, load, () => isUp("now"));
}
