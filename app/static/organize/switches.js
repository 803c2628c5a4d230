/** The switches of the service. */

import { $ } from "../elements.js";
import { t } from "../words.js";
import { desk, onDesk } from "./desk.js";
import { act, item } from "./elements.js";
import { setFlag } from "./levers.js";
import { showRows } from "./rows.js";

function show() {
  showRows($("flags"), desk.flags, (it) => it.name, ({ name, enabled }) => {
    const label = t(enabled ? "organizer.switch-off" : "organizer.switch-on");
    return item(name, [t(enabled ? "organizer.flag-is-on" : "organizer.flag-is-off")], [act(label, name, () => setFlag(name, !enabled))]);
  });
}

/** Keeps them true. */
export function watchSwitches() {
  onDesk(show);
}
