/** Boards over one WebSocket. */

import { address, boardInQuery, DEFAULT_BOARD } from "./addresses.js";

const PROTOCOL = "scoreboard.v1";
const OPEN = 1; // of a WebSocket's `readyState`

/**
 * Open a socket. A handshake that is refused looks like a network that is away, to a browser at least.
 * @param {import("./ways.js").Opening} opening
 * @returns {import("./ways.js").Connection}
 */
export function openSocket({ base, boards, bearer, own, WebSocket, onText, onEnd }) {
  let followed = boards;
  const [first = DEFAULT_BOARD] = followed;
  const query = { board: boardInQuery(first), me: own ? "1" : undefined, state: "1" };
  const url = address(base.replace(/^http/i, "ws"), "/ws", query);
  /** @type {import("./types.js").Socket} */
  const socket = new WebSocket(url, [PROTOCOL, `bearer.${bearer}`]);
  socket.onerror = () => {}; // `ws` ends a Node process for an error that nobody hears; onclose follows anyway
  socket.onmessage = ({ data }) => onText(String(data));
  socket.onclose = ({ code }) => onEnd({ code });
  socket.onopen = () => change([first], followed); // what is followed by now

  /** @param {string[]} before @param {string[]} after */
  function change(before, after) {
    const [added, gone] = [after.filter((id) => !before.includes(id)), before.filter((id) => !after.includes(id))];
    if (gone.length) socket.send(JSON.stringify({ unsubscribe: gone }));
    if (added.length) socket.send(JSON.stringify({ subscribe: added }));
  }

  return {
    turnTo(ids) {
      if (socket.readyState === OPEN) change(followed, ids);
      followed = ids;
    },
    close() {
      socket.onmessage = socket.onclose = socket.onopen = null;
      socket.close();
    },
  };
}
