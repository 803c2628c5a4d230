/** Going from board to board: tabs, periods and what stands above the rows are kept in step. */

import { clearBoard, setRule } from "./board.js";
import { showHead } from "./board-head.js";
import { infoOf, loadBoards, loadBoardsSoon, onBoards } from "./boards.js";
import { chosen, onChoice } from "./chosen.js";
import { onCountdownEnd, tick } from "./countdown.js";
import { showPeriods, watchPeriods } from "./periods.js";
import { forgetPlace } from "./profile.js";
import { showTabs, watchTabs } from "./tabs.js";

const rule = () => infoOf(chosen.board) ?? {};

/**
 * Follows the choice among the boards.
 * @param {() => void} changed called when another one is looked at
 * @param {() => void} told called when it is known which there are, and how their values are written
 */
export function watchBoards(changed, told) {
  watchTabs();
  watchPeriods();
  onBoards(() => {
    setRule(rule());
    showAll();
    told();
  });
  onChoice(() => {
    clearBoard(rule());
    forgetPlace();
    showAll();
    changed();
  });
  onCountdownEnd(loadBoardsSoon);
  loadBoards();
}

/** Goes on after the page was hidden. */
export function lookAgain() {
  loadBoards();
  tick();
}

/** Notes that a board has begun another period than was known, or is frozen or thawed. */
export function noteChange({ period, frozen = false }) {
  const info = infoOf(chosen.board);
  showHead();
  if (info && !chosen.period && (period ?? info.period) !== info.period) loadBoardsSoon();
  if (info && !chosen.period && frozen !== info.frozen) loadBoardsSoon();
}

async function showAll() {
  showTabs();
  showHead();
  await showPeriods();
  showHead(); // the periods have names and days now
}
